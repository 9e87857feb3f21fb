//! What the figures were measured on, and what else it had to do.

use std::io;

/// Processor, cores and load, in one line.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn described() -> io::Result<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(": ")))
        .map_or("an unnamed processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{cores} cores of {model}; {} processes wanted them before it began", waiting()?))
}

/// How many processes were running or waiting for a core, on average of the last five minutes.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn waiting() -> io::Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// Processor time of a process so far, in milliseconds: user and system, in ticks of a hundredth of a second.
///
/// # Errors
/// Where the process is gone.
pub fn processor_ms(process: i32) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 =
        after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks * 10.0)
}
