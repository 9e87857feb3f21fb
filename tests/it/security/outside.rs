//! S11, S16, S19: what the program does to the world around it: where it listens, whom it calls, what it writes.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolEvent;
use asset_indexer::fact::Role;
use asset_indexer::rpc::{Config, Finality, Rpc};
use asset_indexer::source::Source;
use scenario::Emitter;
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::process::{Program, signal, until};
use crate::support::real::node;
use crate::support::scripted_node::{Chain, ScriptedNode};
use crate::support::world::{WRITER, cluster, cluster_over_tcp, config, database, pool};
use simulation::events::identity::ClaimAdded;
use simulation::events::{account, token};

/// A place that counts who comes.
async fn trap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (port, visits) = trap().await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:{port}/\r\nconnection: close\r\n\
                     content-length: 0\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await;
            }
        });
        let rpc = Rpc::new(Config {
            url: url.parse().expect("a URL"),
            alias: "node".to_owned(),
            timeout: Duration::from_secs(2),
            poll_interval: Duration::from_secs(1),
            finality: Finality::Tag { fallback_depth: None },
            range_blocks_max: 10,
            requests_in_flight: 1,
            batch_size_max: 1,
            response_bytes_max: 1 << 16,
        })
        .expect("a client")
        .with_retry(asset_indexer::retry::Policy {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            limit: asset_indexer::retry::Limit::Attempts(2),
        });
        rpc.chain_id().await.expect_err(status);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody was sent there");
}

/// The URIs of claims and tokens are text: nobody is visited because a contract names him.
#[tokio::test]
async fn what_contracts_name_is_never_fetched() {
    let (port, visits) = trap().await;
    let uri = format!("http://127.0.0.1:{port}/claim.json");
    let node = node().await;
    let sender = node.account(0);
    let person = Emitter::deploy(&node, sender).await.expect("it deploys");
    let asset = Emitter::deploy(&node, sender).await.expect("it deploys");
    let claim = ClaimAdded {
        claimId: B256::ZERO,
        topic: U256::from(7),
        scheme: U256::ONE,
        issuer: account(0x55, 0),
        signature: Bytes::from(uri.clone().into_bytes()),
        data: Bytes::from(uri.clone().into_bytes()),
        uri: uri.clone(),
    };
    let information = token::UpdatedTokenInformation {
        _newName: B256::ZERO,
        _newSymbol: B256::ZERO,
        _newDecimals: 0,
        _newVersion: uri.clone(),
        _newOnchainID: account(0x1d, 1),
    };
    for (emitter, data) in [(person, claim.encode_log_data()), (asset, information.encode_log_data())] {
        node.send(&emitter.emit(data.topics(), &data.data)).await.expect("it logs");
    }
    let database = database().await;
    let settings = config(&[(Role::Identity, person.address), (Role::TrexToken, asset.address)]);
    let daemon = Program::bare(&settings)
        .with("RPC_URL", &node.url())
        .with("DATABASE_URL", &cluster().await.url_as(WRITER, &database))
        .with("LOG_FORMAT", "json")
        .writer()
        .await;
    let pool = pool(&database).await;
    until("the claim is in the tables", async || {
        let found: i64 = sqlx::query_scalar("select count(*) from chain.identity_claims where uri = $1")
            .bind(&uri)
            .fetch_one(&pool)
            .await
            .expect("readable");
        (found == 1).then_some(())
    })
    .await;
    daemon.stop("after the claim").await;
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody went there");
}

/// Where a process listens for TCP, as the kernel writes it.
fn listens(pid: u32) -> BTreeSet<String> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("Linux");
    let sockets: BTreeSet<String> = fds
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| {
            Some(link.to_string_lossy().strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
        })
        .collect();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("Linux");
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                found.insert(fields[1].to_owned());
            }
        }
    }
    found
}

/// How the program is confined here, or why it cannot be: a namespace in which every file system is read-only, an
/// account without name, no capabilities, no new privileges.
fn confinement() -> Result<Vec<String>, String> {
    let script = "for at in $(awk '{print $2}' /proc/self/mounts); do mount -o remount,bind,ro \"$at\" 2>/dev/null; done
        for at in / /tmp /dev/shm /var/tmp; do
            if touch \"$at/written\" 2>/dev/null; then echo \"$at can be written\" >&2; exit 99; fi
        done
        exec setpriv --reuid 65532 --regid 65532 --clear-groups --bounding-set -all --inh-caps -all --no-new-privs -- \"$@\"";
    let words: Vec<String> =
        ["unshare", "--mount", "sh", "-c", script, "sh"].into_iter().map(str::to_owned).collect();
    let tried = std::process::Command::new(&words[0]).args(&words[1..]).arg("true").output();
    match tried {
        Ok(output) if output.status.success() => Ok(words),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn it_runs_without_rights_on_a_read_only_system_and_listens_on_loopback_alone() {
    let words = match confinement() {
        Ok(words) => words,
        Err(reason) => {
            eprintln!(
                "NOT CHECKED: the program on a read-only system; this account may not confine it: {reason}"
            );
            return;
        }
    };
    let (cluster, mut owner, port) = cluster_over_tcp().await;
    owner
        .execute("create role indexer login password 'canarypw' in role asset_indexer_writer")
        .await
        .expect("the superuser may");
    owner.close().await.expect("it closes");
    let pool = PgPool::connect_with(cluster.connect_options("postgres", "assets")).await.expect("a pool");
    let contract = account(0x20, 0);
    let mut chain = Chain::with_logs(40, contract, [3, 39]);
    chain.finalized = Some(30);
    let node = ScriptedNode::start(chain).await;
    // 65532 must get at the program, wherever the build put it.
    let program = std::env::temp_dir().join(format!("asset-indexer-{}", uuid::Uuid::new_v4().simple()));
    std::fs::copy(env!("CARGO_BIN_EXE_asset-indexer"), &program).expect("a copy");
    let mut child = tokio::process::Command::new(&words[0])
        .args(&words[1..])
        .arg(&program)
        .args(["run", "--listen", "127.0.0.1:0", "--contract", &format!("erc20={contract}")])
        .env_clear()
        .env("PATH", std::env::var("PATH").expect("a path"))
        .env("RPC_URL", node.url("/"))
        .env("DATABASE_URL", format!("postgres://indexer:canarypw@127.0.0.1:{port}/assets"))
        .env("LOG_FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let pid = child.id().expect("it was just started");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let log = tokio::spawn(async move {
        let mut log = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            log.push(line);
        }
        log
    });
    until("it follows", async || {
        let at: Option<i64> = sqlx::query_scalar("select block_number from chain.checkpoints")
            .fetch_optional(&pool)
            .await
            .expect("readable");
        at.filter(|at| *at == 40)
    })
    .await;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    assert!(line("Uid:").starts_with("65532"), "{status}");
    assert_eq!(
        (line("CapEff:").as_str(), line("CapBnd:").as_str()),
        ("0000000000000000", "0000000000000000")
    );
    assert_eq!(line("NoNewPrivs:"), "1");
    let listens = listens(pid);
    assert_eq!(listens.len(), 1, "one port: {listens:?}");
    assert!(listens.iter().all(|at| at.starts_with("0100007F:")), "on 127.0.0.1: {listens:?}");
    signal("TERM", pid);
    let ended = child.wait().await.expect("it is ours");
    let log = log.await.expect("its log was read").join("\n");
    std::fs::remove_file(&program).expect("it is ours");
    assert!(ended.success(), "{ended}: {log}");
    assert!(!log.contains("Read-only") && !log.contains("ermission denied"), "{log}");
    drop(pool);
    cluster.stop().await.expect("it stops");
}
