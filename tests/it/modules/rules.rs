//! The tables of modules against the modules themselves, at the checkpoint's block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use asset_indexer::amount::Amount;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::table::module::{ComplianceModule, ModuleParameter};
use serde_json::{Value as Json, json};
use sqlx::PgConnection;

use super::story::{COUNTRIES, Module, Story, implementation_slot, story};
use crate::support::real::{factories, rows, rpc};
use crate::support::world::{assert_equal, converge, database, pool, postgres_store, worker};

/// The parameters of a module in force for a compliance.
struct Held<'a> {
    rows: &'a [ModuleParameter],
    module: Address,
    scope: Address,
}

impl<'a> Held<'a> {
    fn of(&self, parameter: &str) -> BTreeMap<String, &'a ModuleParameter> {
        let named = |row: &&ModuleParameter| {
            (row.module, row.scope, row.parameter.as_str()) == (self.module, self.scope, parameter)
        };
        let open = self.rows.iter().filter(named).filter(|row| row.to_block.is_none());
        open.map(|row| (row.argument.clone(), row)).collect()
    }

    fn value(&self, parameter: &str, argument: &str) -> Option<Amount> {
        self.of(parameter).get(argument).and_then(|row| row.value)
    }
}

#[tokio::test]
async fn rules_equal_what_the_modules_answer() {
    let story = story().await;
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut worker = worker(rpc(&story.node.url()), store.clone(), factories(&story.suite));
    converge(&mut worker).await;
    let head = story.node.head().await.expect("a head").header;
    let parameters: Vec<ModuleParameter> = rows(&*store).await;
    modules_are_named(&story, rows(&*store).await).await;
    countries_and_members(&story, head.hash, &parameters).await;
    limits_and_fees(&story, head.hash, &parameters).await;
    versions(&story, &parameters);
    let pool = pool(&database).await;
    views(&story, &mut pool.acquire().await.expect("a connection")).await;
    // Read block by block, over a memory that knows nothing of SQL: the same rows.
    let memory = Arc::new(MemoryStore::new());
    let mut other =
        crate::support::world::worker(rpc(&story.node.ws_url()), memory.clone(), factories(&story.suite));
    converge(&mut other).await;
    assert_equal(&*store, &*memory, "PostgreSQL against memory").await;
}

async fn modules_are_named(story: &Story, rows: Vec<ComplianceModule>) {
    let logs = story.node.all_logs().await.expect("the node lists its logs");
    assert_eq!(rows.len(), story.all_modules().len());
    for (name, module) in story.all_modules() {
        let row = rows.iter().find(|row| row.module == module).expect("each module has its row");
        assert_eq!(row.name.as_deref(), Some(name));
        let first = logs.iter().find(|log| log.address() == module).expect("it logged its proxy's code");
        assert_eq!(Some(row.first_block), first.block_number, "{name}");
        let code = story.node.provider().get_storage_at(module, implementation_slot()).await.expect("state");
        assert_eq!(row.implementation, Some(Address::from_word(code.into())), "{name}");
    }
}

async fn countries_and_members(story: &Story, at: B256, rows: &[ModuleParameter]) {
    let modules = story.suite.modules;
    let mut met = BTreeSet::new();
    for (name, token) in story.tokens() {
        let compliance = token.compliance;
        let held = |module| Held { rows, module, scope: compliance };
        for country in COUNTRIES {
            let asked = Module::isCountryAllowedCall { compliance, country };
            let allowed = story.node.call_at(at, modules.country_allow, &asked).await.expect("it answers");
            let ours = held(modules.country_allow).of("allowed_country").contains_key(&country.to_string());
            assert_eq!(ours, allowed, "{name} {country}");
            let asked = Module::isCountryRestrictedCall { compliance, country };
            let is = story.node.call_at(at, modules.country_restrict, &asked).await.expect("it answers");
            let ours = held(modules.country_restrict).of("restricted_country");
            assert_eq!(ours.contains_key(&country.to_string()), is, "{name} {country}");
            met.extend([("allowed", allowed), ("restricted", is)]);
        }
        for user in story.wallets {
            let asked = Module::isUserAllowedCall { compliance, user };
            let is = story.node.call_at(at, story.modules[0], &asked).await.expect("it answers");
            let ours = held(story.modules[0]).of("allowed_user").contains_key(&format!("{user:#x}"));
            assert_eq!(ours, is, "{name} {user}");
            met.insert(("member", is));
        }
        for (module_name, module) in story.all_modules() {
            let asked = Module::isComplianceBoundCall { compliance };
            let is = story.node.call_at(at, module, &asked).await.expect("it answers");
            assert_eq!(held(module).of("bound").contains_key(""), is, "{name} {module_name}");
            met.insert(("bound", is));
        }
    }
    assert_eq!(met.len(), 8, "each is met and missed: {met:?}");
}

async fn limits_and_fees(story: &Story, at: B256, rows: &[ModuleParameter]) {
    let compliance = story.limits.compliance;
    let modules = story.suite.modules;
    let limits = |module| Held { rows, module, scope: compliance };
    let limit =
        story.node.call_at(at, modules.supply_limit, &Module::getSupplyLimitCall { compliance }).await;
    let ours = limits(modules.supply_limit).value("supply_limit", "");
    assert_eq!(ours, Some(limit.expect("it answers").into()));
    assert_eq!(limits(modules.max_balance).value("max_balance", ""), Some(Amount::from(1_000)));
    let compliance = story.fees.compliance;
    let fees = |module| Held { rows, module, scope: compliance };
    let fee = story.node.call_at(at, story.modules[1], &Module::getFeeCall { compliance }).await;
    let fee = fee.expect("it answers");
    let ours = fees(story.modules[1]).of("fee");
    let [ours] = ours.values().collect::<Vec<_>>().try_into().expect("one fee");
    assert_eq!((ours.value, ours.account), (Some(fee.rate.into()), Some(fee.collector)));
    let asked = Module::getTimeTransferLimitsCall { compliance };
    let told = story.node.call_at(at, story.modules[2], &asked);
    let told: BTreeMap<String, Amount> = told
        .await
        .expect("it answers")
        .into_iter()
        .map(|limit| (limit.limitTime.to_string(), limit.limitValue.into()))
        .collect();
    let ours = fees(story.modules[2]).of("transfer_limit");
    let ours: BTreeMap<String, Amount> =
        ours.into_iter().map(|(time, row)| (time, row.value.expect("a limit has a value"))).collect();
    assert_eq!(ours, told);
    let [of_a, of_c, ..] = story.identities;
    let late = Held { rows, module: modules.max_balance, scope: story.late.compliance };
    assert_eq!(late.value("preset_balance", &format!("{of_a:#x}")), Some(Amount::from(450)));
    assert_eq!(late.value("preset_balance", &format!("{of_c:#x}")), Some(Amount::from(25)));
    assert!(late.of("preset_completed").contains_key(""));
}

/// What was in force before is there too, with the log that ended it.
fn versions(story: &Story, rows: &[ModuleParameter]) {
    let of = |module: Address, scope: Address, parameter: &str, argument: &str| {
        let mut found: Vec<_> = rows
            .iter()
            .filter(|row| (row.module, row.scope) == (module, scope))
            .filter(|row| (row.parameter.as_str(), row.argument.as_str()) == (parameter, argument))
            .map(|row| (row.value.map(|value| value.to_string()), row.to_block.is_some()))
            .collect();
        found.sort_by_key(|(_, ended)| !ended);
        found
    };
    let modules = story.suite.modules;
    let value = |number: u64| Some(U256::from(number).to_string());
    let supply = of(modules.supply_limit, story.limits.compliance, "supply_limit", "");
    assert_eq!(supply, [(value(3_000), true), (value(2_000), true), (value(2_000), false)]);
    let america = of(modules.country_allow, story.limits.compliance, "allowed_country", "840");
    assert_eq!(america, [(None, true)]);
    let minute = of(story.modules[2], story.fees.compliance, "transfer_limit", "60");
    assert_eq!(minute, [(value(100), true)]);
    let member =
        of(story.modules[0], story.club.compliance, "allowed_user", &format!("{:#x}", story.wallets[0]));
    assert_eq!(member, [(None, false)], "allowed twice, begun once");
    let bound = of(modules.max_balance, story.late.compliance, "bound", "");
    assert_eq!(bound, [(None, true), (None, false)]);
}

/// What people read of it, with numbers exact and as text.
async fn views(story: &Story, connection: &mut PgConnection) {
    let address = |module: Address| format!("{module:#x}");
    let names: Vec<(Option<String>, String)> =
        sqlx::query_as("select module_name, contract_address from api.compliance_modules order by 2")
            .fetch_all(&mut *connection)
            .await
            .expect("readable");
    let mut expected: Vec<_> =
        story.all_modules().map(|(name, module)| (Some(name.to_owned()), address(module))).to_vec();
    expected.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(names, expected);
    let [a, b, ..] = story.wallets;
    let modules = story.suite.modules;
    let [of_a, of_c, ..] = story.identities;
    let cases = [
        (
            &story.limits,
            modules.country_allow,
            json!({"bound": true, "allowed_country": ["276", "643", "756"]}),
        ),
        (&story.limits, modules.supply_limit, json!({"bound": true, "supply_limit": "2000"})),
        (
            &story.late,
            modules.max_balance,
            json!({"bound": true, "max_balance": "800", "preset_completed": true,
                "preset_balance": {address(of_a): "450", address(of_c): "25"}}),
        ),
        (
            &story.fees,
            story.modules[1],
            json!({"bound": true, "fee": {"rate": "200", "collector": address(b)}}),
        ),
        (&story.fees, story.modules[2], json!({"bound": true, "transfer_limit": {"86400": "600"}})),
    ];
    for (token, module, rules) in cases {
        for view in [
            "select c.parameters from api.asset_compliance c join api.compliance_modules m on m.id = c.module_id
             join api.assets a on a.id = c.asset_id where m.contract_address = $1 and a.contract_address = $2",
            "select r.parameters from api.asset_compliance c join api.compliance_modules m on m.id = c.module_id
             join api.assets a on a.id = c.asset_id join api.compliance_rules r on r.id = c.rule_id
             where m.contract_address = $1 and a.contract_address = $2",
        ] {
            let parameters: Json = sqlx::query_scalar(view)
                .bind(address(module))
                .bind(address(token.address))
                .fetch_one(&mut *connection)
                .await
                .expect("one row");
            assert_eq!(parameters["rules"], rules, "{} {module}", token.name);
            assert_eq!(parameters["module"], json!(address(module)));
        }
    }
    let members: Vec<String> = sqlx::query_scalar(
        "select argument from api.module_parameters where parameter = 'allowed_user' and scope = $1
            and module_name = 'TransferRestrictModule' and active order by argument",
    )
    .bind(address(story.club.compliance))
    .fetch_all(&mut *connection)
    .await
    .expect("readable");
    let mut expected = [address(a), address(b)];
    expected.sort();
    assert_eq!(members, expected);
    let ended = "select count(*) from api.module_parameters where not active and to_at is not null";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(connection).await.expect("readable");
    assert!(ended > 5, "{ended} versions have ended");
}
