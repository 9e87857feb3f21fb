//! What processes cost, from `/proc`.

use std::fs;
use std::io;
use std::path::Path;

/// What the kernel counts CPU time in (`USER_HZ`): 100 a second on every platform Rust's Linux runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// One process's line.
struct Stat {
    parent: u32,
    /// CPU seconds of itself.
    own: f64,
    /// CPU seconds of its children that ended and were waited for.
    ended: f64,
}

fn stat(process: &str) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name stands in parentheses and may hold anything, so counting begins after the last one.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let seconds = |index: usize| (number(index) + number(index + 1)) as f64 / TICKS_PER_SECOND;
    Ok(Stat { parent: number(1) as u32, own: seconds(11), ended: seconds(13) })
}

/// CPU seconds of this process so far.
pub fn own_cpu() -> io::Result<f64> {
    Ok(stat("self")?.own)
}

/// CPU seconds of the children that this process waited for.
pub fn ended_children_cpu() -> io::Result<f64> {
    Ok(stat("self")?.ended)
}

/// CPU seconds of a PostgreSQL cluster since its start: its postmaster, the processes it has, and those it had.
pub fn cluster_cpu(data_dir: &Path) -> io::Result<f64> {
    let text = fs::read_to_string(data_dir.join("postmaster.pid"))?;
    let postmaster = text.lines().next().unwrap_or_default().trim().to_owned();
    loop {
        let main = stat(&postmaster)?;
        let mut seconds = main.own + main.ended;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            else {
                continue;
            };
            if let Ok(child) = stat(name)
                && child.parent.to_string() == postmaster
            {
                seconds += child.own + child.ended;
            }
        }
        // One that ended meanwhile was seen neither as a child nor among those that had ended.
        if stat(&postmaster)?.ended == main.ended {
            return Ok(seconds);
        }
    }
}

/// The most memory that a process had at once so far, in KiB; `None` once it is gone.
pub fn peak_memory_kib(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The processor, as it calls itself.
pub fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "an unnamed processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// The kind of file system that a directory lies on: fsync costs nothing on some.
pub fn file_system(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let kinds = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (mount, kind) = (fields.next()?, fields.next()?);
        directory.starts_with(mount).then_some((mount.len(), kind))
    });
    kinds.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}
