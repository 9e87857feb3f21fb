//! The database's disk is full: tables first, then the write-ahead log.
//!
//! The cluster lies on a small file system in memory, which only root can mount; without the right the test says so and
//! checks nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use scenario::Step;

use crate::support::command::Folder;
use crate::support::fragile::Fragile;
use crate::support::process::until;

/// Room for a cluster (some 50 MiB with its first log) and little more.
const MEBIBYTES: u64 = 112;

/// A small file system in memory, unmounted in the end.
struct Disk(PathBuf);

impl Disk {
    /// Nothing where this process may not mount.
    fn mount(folder: &Path) -> Option<Self> {
        let options = format!("size={MEBIBYTES}m,mode=711");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            Ok(output) => {
                eprintln!("SKIPPED, NOT CHECKED: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                eprintln!("SKIPPED, NOT CHECKED: mount: {error}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.ballast())
            .expect("the file can be opened");
        for size in [1 << 20, 4 << 10, 1] {
            let piece = vec![0u8; size];
            while std::io::Write::write_all(&mut file, &piece).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that ends late must not keep the test's folder.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test]
async fn a_full_disk_stops_nothing_but_the_writing() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(folder.path()) else { return };
    let mut fragile = Fragile::start_in(folder.path().join("cluster")).await;
    let mut scene = fragile.scene().await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;

    let mark = daemon.mark();
    disk.fill();
    // Until a table or an index needs a block more.
    let said = async { daemon.said_after(mark, "53100").await };
    let playing = async {
        scene.play_through(Step::Burn).await;
        scene.node.mine(50).await.expect("anvil mines");
    };
    let (said, ()) = tokio::join!(said, playing);
    assert!(said.to_string().contains("trying again"), "a full disk is no end: {said}");
    let stuck = scene.checkpoint().await;
    assert_ne!(stuck.map(|at| at.0), Some(scene.head().await.0), "it went on, on a full disk");
    assert_eq!(daemon.get("/live").await.0, 200, "a full disk is no reason to restart");
    // What fits into the pages there are is still written now and then, so that it is ready in between.
    until("it is not ready", async || (daemon.get("/ready").await.0 == 503).then_some(())).await;
    disk.free();
    scene.assert_fresh("there was room again").await;

    // The next piece of the write-ahead log cannot be made: the server panics.
    let mark = daemon.mark();
    disk.fill();
    until("the write-ahead log is full", async || {
        let next = "select pg_logical_emit_message(false, 'a', 'b'), pg_switch_wal()";
        drop(sqlx::query(next).execute(&scene.pool).await);
        fragile.has_logged("PANIC").then_some(())
    })
    .await;
    scene.play_through(Step::Claims).await;
    daemon.said_after(mark, "trying again").await;
    assert_eq!(daemon.get("/live").await.0, 200, "it did not end");
    disk.free();
    if fragile.has_ended().await {
        fragile.start_again().await;
    }
    scene.assert_fresh("the server was there again").await;
    until("it is ready again", async || (daemon.get("/ready").await.0 == 200).then_some(())).await;
    daemon.stop("after the full disk").await;
}
