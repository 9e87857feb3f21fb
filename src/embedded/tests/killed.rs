//! What a daemon killed by SIGKILL leaves to the next one.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::*;

const VICTIM: &str = "ASSET_INDEXER_TEST_VICTIM";

/// Not a test by itself: the process that the next two kill. It starts a cluster and waits for its
/// end.
#[tokio::test]
#[ignore = "run by the tests of a killed daemon, in a process of its own"]
async fn victim() {
    let state_dir = PathBuf::from(env::var_os(VICTIM).expect("set by the test that runs this"));
    let remove_on_stop = state_dir.to_string_lossy().ends_with("remove");
    let cluster = Cluster::start(Options { state_dir, remove_on_stop, ..durable() }).await.expect("start");
    execute(&cluster, "postgres", "CREATE TABLE t AS SELECT 7::int8 AS n").await;
    fs::write(cluster.state_dir.join("victim-ready"), "").unwrap();
    std::future::pending::<()>().await;
}

/// Starts the victim, and kills it once its server holds a committed table.
fn kill_a_victim(state_dir: &Path) {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "embedded::tests::killed::victim"])
        .env(VICTIM, state_dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !state_dir.join("victim-ready").exists() {
        assert!(
            begun.elapsed() < PATIENCE && victim.try_wait().unwrap().is_none(),
            "the victim never came up"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    victim.kill().unwrap();
    assert_eq!(victim.wait().unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_killed_daemon_does_not_hinder_the_next() {
    let next = durable();
    kill_a_victim(&next.state_dir);
    // At once: usually its server still runs.
    let cluster = Cluster::start(next).await.expect("start after SIGKILL");
    assert!(!cluster.is_shared(), "nobody else is left to end the server");
    assert_eq!(number(&cluster.url("postgres"), "SELECT n FROM t").await, 7);
}

#[tokio::test]
async fn the_server_of_a_killed_daemon_ends_and_its_scratch_goes() {
    let state_dir = Options::scratch(binaries()).state_dir.with_extension("remove");
    kill_a_victim(&state_dir);
    let begun = Instant::now();
    while state_dir.exists() {
        assert!(begun.elapsed() < PATIENCE, "{} is still there", state_dir.display());
        sleep(Duration::from_millis(50)).await;
    }
}
