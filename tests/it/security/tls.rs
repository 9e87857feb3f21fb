//! S15: a server on another machine is verified, whoever sits on the way.
//!
//! 0.0.0.0 stands for the other machine: the system leads it to the loopback interface, and no rule takes it for local.

use std::sync::{Arc, Mutex};

use asset_indexer::embedded::Cluster;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::command::{Ended, Folder, Line};
use crate::support::world::cluster_over_tcp;

const UNAVAILABLE: i32 = 69;
const CONFIG: i32 = 78;
/// The empty tables are found, so the database was reached.
const REACHED: &str = "the tables are empty";

/// A certificate authority of the test.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A PostgreSQL on a TCP port, with a login role that has a password.
struct Server {
    cluster: Cluster,
    owner: PgConnection,
    port: u16,
}

impl Server {
    async fn start() -> Self {
        let (cluster, mut owner, port) = cluster_over_tcp().await;
        for sql in [
            "create role indexer login password 'canarypw' in role asset_indexer_writer, asset_indexer_reader",
            "alter system set log_connections = on",
        ] {
            owner.execute(sql).await.expect("the superuser may");
        }
        Self { cluster, owner, port }
    }

    /// Gives the server a certificate of an authority, for one host.
    async fn secure(&mut self, authority: &CertifiedIssuer<'static, KeyPair>, host: &str) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([host.to_owned()])
            .and_then(|parameters| parameters.signed_by(&key, authority))
            .expect("a certificate");
        for (file, pem) in [("server.key", key.serialize_pem()), ("server.crt", certificate.pem())] {
            // By the server itself, which wants the key to be its own and closed to others.
            let sql = format!(
                "copy (select unnest(string_to_array('{}', E'\\n'))) to program 'umask 077; cat > {file}'",
                pem.trim()
            );
            self.owner.execute(AssertSqlSafe(sql)).await.expect("the superuser may");
        }
        self.owner.execute("alter system set ssl = on").await.expect("the superuser may");
        self.owner.execute("select pg_reload_conf()").await.expect("the superuser may");
        let bound = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let on: String = sqlx::query_scalar("select setting from pg_settings where name = 'ssl'")
                .fetch_one(&mut self.owner)
                .await
                .expect("readable");
            if on == "on" {
                return;
            }
            assert!(std::time::Instant::now() < bound, "TLS is not switched on");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn line(&self, host: &str, query: &str) -> Line {
        status(host, self.port, query)
    }

    /// How often the login role came in, with TLS and without.
    fn logins(&self) -> (usize, usize) {
        let log = std::fs::read_to_string(self.cluster.log()).expect("the server's log");
        let (secure, plain): (Vec<&str>, Vec<&str>) = log
            .lines()
            .filter(|line| line.contains("connection authorized: user=indexer"))
            .partition(|line| line.contains("SSL enabled"));
        (secure.len(), plain.len())
    }
}

fn status(host: &str, port: u16, query: &str) -> Line {
    let url = format!("postgres://indexer:canarypw@{host}:{port}/assets{query}");
    Line::new(&["status"]).set("DATABASE_URL", url)
}

fn reached(ended: &Ended) {
    assert!(ended.message().contains(REACHED), "{ended:#?}");
}

#[tokio::test]
async fn a_server_on_another_machine_is_reached_only_with_its_authority_and_its_name() {
    let (ours, foreign, folder) = (authority("ours"), authority("foreign"), Folder::new());
    let root = |name: &str, authority: &CertifiedIssuer<'_, KeyPair>| {
        format!("sslrootcert={}", folder.write(name, &authority.pem()))
    };
    let (ours_root, foreign_root) = (root("ours.pem", &ours), root("foreign.pem", &foreign));
    let mut server = Server::start().await;
    const SILENT: &str = "the database did not answer while connecting";

    // A server without TLS is no partner, and the password never leaves.
    let ended = server.line("0.0.0.0", "").run().await;
    ended.failed(UNAVAILABLE, &[SILENT, "does not support TLS", "sslrootcert=FILE"]);
    assert_eq!(server.logins(), (0, 0));

    server.secure(&ours, "0.0.0.0").await;
    // sslmode is not written: it is verified all the same, and reached with the right authority.
    reached(&server.line("0.0.0.0", &format!("?{ours_root}")).run().await);
    let (secure, plain) = server.logins();
    assert!(secure > 0 && plain == 0, "{secure} logins with TLS, {plain} without");
    for query in [String::new(), format!("?{foreign_root}"), format!("?sslmode=verify-full&{foreign_root}")] {
        let ended = server.line("0.0.0.0", &query).run().await;
        ended.failed(UNAVAILABLE, &[SILENT, "invalid peer certificate: UnknownIssuer"]);
    }
    // The right authority, another host's certificate; asked for in words, because 127.0.0.1 is this machine.
    let ended = server.line("127.0.0.1", &format!("?sslmode=verify-full&{ours_root}")).run().await;
    ended.failed(UNAVAILABLE, &[SILENT, "certificate not valid for name"]);
    assert_eq!(server.logins(), (secure, 0), "a refused server is told nothing");

    // Less is refused before anything is sent, and accepted only where the configuration says so too.
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let ended = server.line("0.0.0.0", &format!("?sslmode={mode}")).run().await;
        ended.failed(CONFIG, &["a sslmode that does not verify it", "database.allow_unverified"]);
    }
    assert_eq!(server.logins(), (secure, 0));
    let allowed = ("ASSET_INDEXER__DATABASE__ALLOW_UNVERIFIED", "true");
    reached(&server.line("0.0.0.0", "?sslmode=disable").set(allowed.0, allowed.1).run().await);
    assert!(server.logins().1 > 0, "plain text, as written");
    // The exception is not the default, even where it is allowed.
    let ended = server.line("0.0.0.0", "").set(allowed.0, allowed.1).run().await;
    ended.failed(UNAVAILABLE, &["UnknownIssuer"]);
    // Nor does a variable of another program count as the operator's word.
    let ended = server.line("0.0.0.0", "").set("PGSSLMODE", "disable").run().await;
    ended.failed(UNAVAILABLE, &["UnknownIssuer"]);
    server.owner.close().await.expect("it closes");
    server.cluster.stop().await.expect("it stops");
}

/// Somebody on the way who says that the server has no TLS, and notes what he is told then.
async fn stripper() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8];
            if stream.read_exact(&mut request).await.is_ok() && request == [0, 0, 0, 8, 4, 210, 22, 47] {
                // The request for TLS; "no".
                let _ = stream.write_all(b"N").await;
            } else {
                notes.lock().expect("no poison").extend(request);
            }
            let mut rest = [0; 1024];
            // What greets a server, and the password that it then asks for; that is enough.
            for _ in 0..2 {
                let Ok(count @ 1..) = stream.read(&mut rest).await else { break };
                notes.lock().expect("no poison").extend(&rest[..count]);
                let _ = stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await;
            }
        }
    });
    (port, heard)
}

#[tokio::test]
async fn somebody_who_strips_tls_hears_neither_name_nor_password() {
    let (port, heard) = stripper().await;
    let ended = status("0.0.0.0", port, "").run().await;
    ended.failed(UNAVAILABLE, &["does not support TLS"]);
    assert_eq!(*heard.lock().expect("no poison"), b"", "not a byte after the refusal");
    // What the driver would do by itself: the control is not idle.
    let line = status("0.0.0.0", port, "?sslmode=prefer");
    line.set("ASSET_INDEXER__DATABASE__ALLOW_UNVERIFIED", "true").run().await;
    let heard = String::from_utf8_lossy(&heard.lock().expect("no poison")).into_owned();
    assert!(heard.contains("indexer") && heard.contains("canarypw"), "{heard:?}");
}
