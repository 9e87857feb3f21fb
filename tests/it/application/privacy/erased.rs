//! Nothing of an erased person is left, and nothing brings it back; everybody else's is untouched.

use std::process::Command;
use std::sync::Arc;

use asset_indexer::store::postgres::{PostgresStore, Request};
use asset_indexer::sync::{Config, Sync};
use serde_json::Value as Json;
use simulation::chain::SimChain;
use simulation::play::Play;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::connect;
use super::{Held, Platform, Subject, contents, count, erase, people, run, traces};
use crate::support::command::{Folder, database_url};
use crate::support::world::{
    CHAIN_ID, binaries, config, converge, empty_database, executor, postgres_store, worker,
};

/// A platform whose database follows a chain.
struct Followed {
    platform: Platform,
    chain: Arc<SimChain>,
    config: Config,
    worker: Sync<SimChain, PostgresStore>,
}

impl Followed {
    async fn new(seed: u64) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(6));
        for block in play.blocks(120) {
            chain.mine(block);
        }
        let platform = Platform::new().await;
        let store = Arc::new(postgres_store(&platform.database).await);
        let config = config(&Play::contracts());
        let mut worker = worker(chain.clone(), store, config.clone());
        converge(&mut worker).await;
        Self { platform, chain, config, worker }
    }

    /// Three wallets that hold something and have an identity with claims, as far as there are.
    async fn wallets(&mut self) -> Vec<String> {
        sqlx::query_scalar(
            "select api.hex(h.holder) from chain.asset_holders h
             left join chain.registrations r on r.chain_id = h.chain_id and r.wallet = h.holder
             left join chain.identity_claims c on c.chain_id = r.chain_id and c.identity = r.identity
             where h.balance > 0 group by h.holder order by count(distinct c.id) desc, h.holder limit 3",
        )
        .fetch_all(&mut self.platform.owner)
        .await
        .expect("the play has holders")
    }

    async fn execute(&mut self, request: Request) {
        let executor = executor(Some(&self.chain), self.worker.store(), &self.config);
        executor.execute(&request, &mut |_| {}).await.expect("it is carried out");
        self.worker.forget();
        converge(&mut self.worker).await;
    }
}

const STORED: [Held; 4] = [Held::Plain, Held::Secret, Held::Ciphertext, Held::Wallet];
const ALL: [Held; 5] = [Held::Plain, Held::Secret, Held::Ciphertext, Held::Meaning, Held::Wallet];
/// A wallet is on the chain whoever has it.
const NOT_PUBLIC: [Held; 4] = [Held::Plain, Held::Secret, Held::Ciphertext, Held::Meaning];

async fn assert_gone(owner: &mut PgConnection, subject: &Subject, when: &str) {
    let nowhere: Vec<String> = vec![];
    assert_eq!(traces(owner, &["app"], &subject.held(&ALL)).await, nowhere, "{when}");
    run(owner, &format!("set app.tenant = '{}'", subject.tenant)).await;
    assert_eq!(traces(owner, &["chain", "ops", "api"], &subject.held(&NOT_PUBLIC)).await, nowhere, "{when}");
    // The person by the pseudonym, beside the wallet, in any view that joins them.
    for relation in super::relations(owner, &["api"]).await {
        let wallet = &subject.held(&[Held::Wallet])[0];
        let linked = format!(
            "select count(*) from {relation} r where to_jsonb(r)::text like '%{}%' and to_jsonb(r)::text like '%{wallet}%'",
            subject.user
        );
        assert_eq!(count(owner, &linked).await, 0, "{when}: {relation} links them");
    }
    run(owner, "reset app.tenant").await;
    assert_eq!(count(owner, "select count(*) from app.broken_seals()").await, 0, "{when}");
}

async fn seal(owner: &mut PgConnection) {
    for trail in ["audit_trail", "system_changes"] {
        let sql = format!("select app.trail_end('{trail}')");
        let end: Option<i64> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *owner).await.expect("its end");
        let sealed = sqlx::query("select app.seal_trail($1, $2)").bind(trail).bind(end);
        sealed.execute(&mut *owner).await.expect("sealed");
    }
}

async fn exported(owner: &mut PgConnection, user: Uuid) -> Json {
    let export = sqlx::query_scalar("select app.export_subject($1)").bind(user);
    export.fetch_one(owner).await.expect("an export")
}

/// Programs that can dump the server under test, where the machine has any.
fn dump_tools() -> Option<std::path::PathBuf> {
    let beside = binaries().bin_dir;
    beside.join("pg_dump").exists().then_some(beside)
}

/// A dump of a database, where the machine can make one.
async fn dumped(database: &str) -> Option<Folder> {
    let tools = dump_tools()?;
    let folder = Folder::new();
    let file = folder.path().join("dump");
    let url = database_url("postgres", database).await;
    let dumped = Command::new(tools.join("pg_dump")).arg("-Fc").arg("-f").arg(file).arg(url).status();
    assert!(dumped.expect("it runs").success());
    Some(folder)
}

/// A new database from a dump.
async fn restored(dump: &Folder) -> PgConnection {
    let tools = dump_tools().expect("they made the dump");
    let copy = empty_database().await;
    let url = database_url("postgres", &copy).await;
    let file = dump.path().join("dump");
    let restored =
        Command::new(tools.join("pg_restore")).arg("--exit-on-error").arg("-d").arg(url).arg(file).status();
    assert!(restored.expect("it runs").success());
    connect(&copy).await
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_person_nor_comes_back_and_others_are_untouched() {
    let mut followed = Followed::new(71).await;
    let wallets = followed.wallets().await;
    let wallets = [&wallets[0], &wallets[1], &wallets[2]].map(String::as_str);
    let chain_id = i64::try_from(CHAIN_ID).expect("small");
    let [person, neighbour, foreigner] = people(&mut followed.platform, chain_id, wallets).await;
    let owner = &mut followed.platform.owner;
    for (text, _) in person.values.iter().filter(|(_, held)| STORED.contains(held)) {
        let places = traces(owner, &["app"], std::slice::from_ref(text)).await;
        assert!(!places.is_empty(), "the scan finds what is there: {text}");
    }
    seal(owner).await;

    let before = exported(owner, person.user).await;
    let told = before.to_string();
    for text in person.held(&[Held::Plain, Held::Ciphertext, Held::Wallet]) {
        assert!(told.contains(&text), "the export lacks {text}");
    }
    for kind in ["as_of", "holdings", "identities", "claims"] {
        let facts = &before["chain"][kind];
        assert!(facts.as_array().is_some_and(|facts| !facts.is_empty()), "no {kind}: {:#}", before["chain"]);
    }
    for text in person.held(&[Held::Secret]) {
        assert!(!told.contains(&text), "a secret is exported: {text}");
    }
    for other in [&neighbour, &foreigner] {
        for (text, _) in &other.values {
            assert!(!told.contains(text.as_str()), "another's value is exported: {text}");
        }
    }
    let others = [exported(owner, neighbour.user).await, exported(owner, foreigner.user).await];

    let older = dumped(&followed.platform.database).await;
    let owner = &mut followed.platform.owner;
    let unchanged = contents(owner).await;
    assert!(erase(owner, &person, false).await > 20);
    assert_eq!(contents(owner).await, unchanged, "a dry run changes nothing");

    assert!(erase(owner, &person, true).await > 20);
    assert_gone(owner, &person, "erased").await;
    seal(owner).await;
    assert_gone(owner, &person, "erased and sealed").await;
    assert_eq!(exported(owner, neighbour.user).await, others[0], "another of the tenant");
    assert_eq!(exported(owner, foreigner.user).await, others[1], "another tenant's");
    let after = exported(owner, person.user).await;
    for text in person.held(&ALL) {
        assert!(!after.to_string().contains(&text), "the export still has {text}");
    }
    assert_eq!(after["stored"]["users"][0]["status"], "erased");
    assert_eq!(after["chain"]["holdings"], serde_json::json!([]), "the wallet is nobody's");
    let state = contents(owner).await;
    assert_eq!(erase(owner, &person, true).await, 0, "done once");
    assert_eq!(contents(owner).await, state, "and nothing more");

    followed.execute(Request::Rebuild).await;
    assert_gone(&mut followed.platform.owner, &person, "rebuilt").await;
    followed.execute(Request::Rewind { to: 20, reason: "a test".to_owned() }).await;
    assert_gone(&mut followed.platform.owner, &person, "rewound and followed again").await;
    let (Some(older), Some(newer)) = (older, dumped(&followed.platform.database).await) else {
        eprintln!("no pg_dump beside the server: no restore was tried");
        return;
    };
    let mut copy = restored(&newer).await;
    assert_gone(&mut copy, &person, "dumped and restored").await;
    assert!(!traces(&mut copy, &["app"], &neighbour.held(&STORED)).await.is_empty(), "the others are there");
    assert_eq!(erase(&mut copy, &person, true).await, 0, "erased there, too");
    let mut copy = restored(&older).await;
    assert!(!traces(&mut copy, &["app"], &person.held(&[Held::Plain])).await.is_empty(), "an older backup");
    assert!(erase(&mut copy, &person, true).await > 20);
    assert_gone(&mut copy, &person, "restored from an older backup and erased again").await;
}
