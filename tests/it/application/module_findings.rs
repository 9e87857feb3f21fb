//! Violations of the rules that compliance modules hold: opened while they last at the final block and now, then cleared.

use sqlx::PgConnection;
use uuid::Uuid;

use super::findings::{followed, found};
use super::{Platform, count, run};

const COMPLIANCE: &str = "0x00000000000000000000000000000000000c0001";
const ALLOW: &str = "0x00000000000000000000000000000000000d0001";
const RESTRICT: &str = "0x00000000000000000000000000000000000d0002";
const MAXIMUM: &str = "0x00000000000000000000000000000000000d0003";
const CAP: &str = "0x00000000000000000000000000000000000d0004";
/// Two wallets of one identity, with 60 and 50 base units, and one of another with 10.
const WALLETS: [&str; 3] = [
    "0x00000000000000000000000000000000000e0001",
    "0x00000000000000000000000000000000000e0002",
    "0x00000000000000000000000000000000000e0003",
];
const IDENTITIES: [&str; 2] =
    ["0x00000000000000000000000000000000000f0001", "0x00000000000000000000000000000000000f0002"];

/// A platform of which one asset has three holders and a compliance of these modules, all final.
async fn prepared(modules: &[(&str, &str)]) -> (Platform, Uuid) {
    let mut platform = followed(71, 2).await;
    let owner = &mut platform.owner;
    // Wallets of the play are judged by no module.
    let asset: Uuid = sqlx::query_scalar(
        "select a.id from chain.assets a join chain.contract_links r on r.address = a.contract_address
            and r.link = 'identity_registry' and r.to_block is null
         join chain.contract_links s on s.address = r.target and s.link = 'storage' and s.to_block is null
         where a.asset_type = 'erc3643' order by a.id limit 1",
    )
    .fetch_one(&mut *owner)
    .await
    .expect("the play has a token with a register of wallets");
    run(owner, &format!("delete from app.tenant_assets where asset_id <> '{asset}'")).await;
    let mut sql = format!(
        "update chain.assets set negative_balance = false, exceeds_uint256 = false, unreadable_logs = 0 where id = '{asset}';
         delete from chain.asset_holders where asset_id = '{asset}';
         delete from chain.contract_links l using chain.assets a where a.id = '{asset}' and l.link = 'compliance'
            and l.address = a.contract_address;
         insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
            select chain_id, contract_address, 'compliance', chain.zero_address(), 1, 1, api.address('{COMPLIANCE}'), now()
            from chain.assets where id = '{asset}';"
    );
    for ((wallet, identity), balance) in
        WALLETS.into_iter().zip([IDENTITIES[0], IDENTITIES[0], IDENTITIES[1]]).zip([60, 50, 10])
    {
        sql.push_str(&format!(
            "insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block,
                updated_block, updated_at)
             select chain_id, id, api.address('{wallet}'), {balance}, 0, false, 1, 1, now() from chain.assets where id = '{asset}';
             insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
                undetermined, from_at)
             select a.chain_id, s.target, api.address('{wallet}'), 1, 1, api.address('{identity}'), md5('{identity}')::uuid, 756,
                false, now()
             from chain.assets a join chain.contract_links r on r.address = a.contract_address and r.link = 'identity_registry'
                and r.to_block is null
             join chain.contract_links s on s.address = r.target and s.link = 'storage' and s.to_block is null
             where a.id = '{asset}';"
        ));
    }
    // The links of the play began where they began; these rules are as old as the chain.
    sql.push_str("update chain.contract_links set from_block = 1 where link in ('identity_registry', 'storage') and to_block is null;");
    run(owner, &sql).await;
    for (module, name) in modules {
        run(owner, &format!(
            "insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
                select chain_id, api.address('{COMPLIANCE}'), 'module', api.address('{module}'), 1, 2, api.address('{module}'), now()
                from chain.checkpoints;
             insert into chain.compliance_modules (chain_id, module, name, first_block, first_at)
                select chain_id, api.address('{module}'), '{name}', 1, now() from chain.checkpoints"
        )).await;
        given(owner, module, "bound", "", "null", "1").await;
    }
    (platform, asset)
}

/// A rule that a module was given at a block.
async fn given(
    owner: &mut PgConnection,
    module: &str,
    parameter: &str,
    argument: &str,
    value: &str,
    block: &str,
) {
    let sql = format!(
        "update chain.module_parameters set to_block = {block}, to_log = 0, to_at = now() from chain.checkpoints
            where module = api.address('{module}') and parameter = '{parameter}' and argument = '{argument}' and to_block is null;
         insert into chain.module_parameters (chain_id, module, scope, parameter, argument, from_block, from_log, value, from_at)
            select chain_id, api.address('{module}'), api.address('{COMPLIANCE}'), '{parameter}', '{argument}', {block},
                (select count(*) from chain.module_parameters), {value}, now()
            from chain.checkpoints"
    );
    run(owner, &sql).await;
}

async fn open(owner: &mut PgConnection, kind: &str, details: &str) -> i64 {
    let sql = format!(
        "select count(*) from app.compliance_violations v where v.violation_type = '{kind}' and v.details @> '{details}'
            and v.detected_by = 'asset-indexer' and v.details ? 'block_hash'
            and not exists (select from app.violation_resolutions r where r.violation_id = v.id)"
    );
    count(owner, &sql).await
}

async fn of_modules(owner: &mut PgConnection) -> i64 {
    let kinds = "select count(*) from app.compliance_violations v where v.violation_type in
        ('country_restricted', 'balance_above_maximum', 'supply_above_cap')
        and not exists (select from app.violation_resolutions r where r.violation_id = v.id)";
    count(owner, kinds).await
}

async fn lives_in(owner: &mut PgConnection, wallet: &str, country: &str) {
    let sql =
        format!("update chain.registrations set country = {country} where wallet = api.address('{wallet}')");
    run(owner, &sql).await;
}

#[tokio::test]
async fn a_holder_from_a_country_that_is_not_let_in_is_found_until_that_ends() {
    let modules = [(ALLOW, "CountryAllowModule"), (RESTRICT, "CountryRestrictModule")];
    let (mut platform, _) = prepared(&modules).await;
    let owner = &mut platform.owner;
    given(owner, ALLOW, "allowed_country", "756", "null", "1").await;
    found(owner).await;
    assert_eq!(of_modules(owner).await, 0, "all live where holders may");
    lives_in(owner, WALLETS[0], "643").await;
    assert_eq!(found(owner).await, (1, 0));
    let russia = format!("{{\"wallet\": \"{}\", \"country\": 643, \"module\": \"{ALLOW}\"}}", WALLETS[0]);
    assert_eq!(open(owner, "country_restricted", &russia).await, 1);
    assert_eq!(found(owner).await, (0, 0), "it is opened once");
    // What is not known opens and clears nothing.
    lives_in(owner, WALLETS[0], "null").await;
    lives_in(owner, WALLETS[1], "null").await;
    assert_eq!(found(owner).await, (0, 0));
    lives_in(owner, WALLETS[0], "643").await;
    lives_in(owner, WALLETS[1], "756").await;
    // What only a provisional block says changes nothing either.
    let provisional = "(select finalized_number + 1 from chain.checkpoints)";
    given(owner, ALLOW, "allowed_country", "643", "null", provisional).await;
    assert_eq!(found(owner).await, (0, 0));
    run(owner, "update chain.module_parameters set from_block = 1 where argument = '643'").await;
    assert_eq!(found(owner).await, (0, 1), "the country is let in");
    given(owner, RESTRICT, "restricted_country", "643", "null", "1").await;
    assert_eq!(found(owner).await, (1, 0));
    let russia = format!("{{\"wallet\": \"{}\", \"module\": \"{RESTRICT}\"}}", WALLETS[0]);
    assert_eq!(open(owner, "country_restricted", &russia).await, 1);
    // A module that did not tell what it serves may not have told its rules either.
    run(owner, &format!("delete from chain.module_parameters where module = api.address('{RESTRICT}') and parameter = 'bound'")).await;
    assert_eq!(found(owner).await, (0, 0));
    run(owner, &format!("delete from chain.contract_links where target = api.address('{RESTRICT}')")).await;
    assert_eq!(found(owner).await, (0, 1), "the module is gone");
    // Sold: there is nothing left to be held against the rule.
    lives_in(owner, WALLETS[2], "840").await;
    assert_eq!(found(owner).await, (1, 0));
    run(
        owner,
        &format!("update chain.asset_holders set balance = 0 where holder = api.address('{}')", WALLETS[2]),
    )
    .await;
    assert_eq!(found(owner).await.1, 2, "also what it was found for as not verified");
    assert_eq!(of_modules(owner).await, 0);
}

/// A reorg may take such a holding back, with its row: it is nobody's fault before it is final, and what was opened ends.
#[tokio::test]
async fn what_is_held_in_a_provisional_block_alone_is_not_found_and_what_is_taken_back_is_cleared() {
    let (mut platform, asset) = prepared(&[(ALLOW, "CountryAllowModule")]).await;
    let owner = &mut platform.owner;
    given(owner, ALLOW, "allowed_country", "756", "null", "1").await;
    lives_in(owner, WALLETS[0], "643").await;
    let bought = |block: &str| {
        format!(
            "update chain.asset_holders set first_block = {block}, updated_block = {block} where holder = api.address('{}')",
            WALLETS[0]
        )
    };
    run(owner, &bought("(select finalized_number + 1 from chain.checkpoints)")).await;
    found(owner).await;
    let about = format!(
        "select count(*) from app.compliance_violations v where v.details ->> 'wallet' = '{}'
            and not exists (select from app.violation_resolutions r where r.violation_id = v.id)",
        WALLETS[0]
    );
    assert_eq!(count(owner, &about).await, 0, "neither its country nor that it is not verified");
    // It held before, by its history, and has more now.
    run(owner, &format!(
        "insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen,
            wallet_frozen, block_hash, timestamp, transaction_hash)
         select k.chain_id, '{asset}', api.address('{}'), k.finalized_number, 0, md5('held')::uuid, 20, 0, false,
            k.finalized_hash, now(), k.finalized_hash
         from chain.checkpoints k",
        WALLETS[0]
    ))
    .await;
    found(owner).await;
    assert_eq!(open(owner, "country_restricted", "{\"country\": 643}").await, 1);
    let opened = count(owner, &about).await;
    // Its row goes, which is told of nobody while the token is read again.
    run(owner, &format!(
        "delete from chain.ownership_history where asset_id = '{asset}' and holder = api.address('{wallet}');
         delete from chain.asset_holders where holder = api.address('{wallet}');
         update ops.coverage v set through_block = 1 from chain.assets a where a.id = '{asset}' and v.address = a.contract_address",
        wallet = WALLETS[0]
    ))
    .await;
    assert_eq!(found(owner).await, (0, 0));
    run(owner, "update ops.coverage set through_block = null").await;
    assert_eq!(found(owner).await, (0, opened));
    assert_eq!(count(owner, &about).await, 0);
}

#[tokio::test]
async fn an_identity_with_more_than_the_maximum_is_found_in_all_its_wallets() {
    let (mut platform, _) = prepared(&[(MAXIMUM, "MaxBalanceModule")]).await;
    let (tenant, user) = (platform.tenants[0], platform.users[0]);
    let owner = &mut platform.owner;
    let linked = format!(
        "set app.tenant = '{tenant}';
         insert into app.wallet_links (user_id, chain_id, wallet)
            select '{user}', chain_id, '{}' from chain.checkpoints",
        WALLETS[1]
    );
    run(owner, &linked).await;
    found(owner).await;
    assert_eq!(of_modules(owner).await, 0, "a maximum that was never set is none");
    given(owner, MAXIMUM, "max_balance", "", "109", "1").await;
    assert_eq!(found(owner).await, (1, 0), "60 and 50 are more, neither alone is");
    let whole = format!(
        "{{\"identity\": \"{}\", \"balance_base\": \"110\", \"maximum_base\": \"109\"}}",
        IDENTITIES[0]
    );
    assert_eq!(open(owner, "balance_above_maximum", &whole).await, 1);
    let about = format!(
        "select count(*) from app.compliance_violations where violation_type = 'balance_above_maximum'
        and user_id = '{user}' and not details ? 'wallet'"
    );
    assert_eq!(count(owner, &about).await, 1, "the person behind the wallet");
    assert_eq!(found(owner).await, (0, 0));
    given(owner, MAXIMUM, "max_balance", "", "110", "1").await;
    assert_eq!(found(owner).await, (0, 1), "as much as is allowed");
    given(owner, MAXIMUM, "max_balance", "", "100", "1").await;
    assert_eq!(found(owner).await, (1, 0));
    // Below at the final block, or below now, is not above at both.
    let bought =
        "update chain.asset_holders set updated_block = k.finalized_number + 1 from chain.checkpoints k
        where holder = api.address('";
    run(owner, &format!("{bought}{}')", WALLETS[0])).await;
    assert_eq!(
        found(owner).await,
        (0, 0),
        "its history says nothing of the 60 before: below then, above now"
    );
    // An officer's word holds for this maximum, and not for a lower one.
    run(owner, "update chain.asset_holders set updated_block = 1").await;
    run(
        owner,
        "insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type)
         select v.id, v.detected_at, v.tenant_id, 'waived' from app.compliance_violations v
         where v.violation_type = 'balance_above_maximum'
            and not exists (select from app.violation_resolutions r where r.violation_id = v.id)",
    )
    .await;
    assert_eq!(found(owner).await, (0, 0), "waived");
    given(owner, MAXIMUM, "max_balance", "", "90", "1").await;
    assert_eq!(found(owner).await, (1, 0));
    // Whose a wallet is cannot be told: it may be anybody's, so nobody is known to be below.
    run(
        owner,
        &format!(
            "update chain.registrations set undetermined = true where wallet = api.address('{}')",
            WALLETS[1]
        ),
    )
    .await;
    assert_eq!(found(owner).await, (0, 0));
    run(owner, "update chain.registrations set undetermined = false").await;
    run(owner, &format!("update chain.asset_holders set balance = 0 where holder in (api.address('{}'), api.address('{}'))", WALLETS[0], WALLETS[1])).await;
    found(owner).await;
    assert_eq!(of_modules(owner).await, 0, "it holds nothing any more");
}

#[tokio::test]
async fn a_supply_above_its_cap_is_found_without_a_wallet() {
    let (mut platform, asset) = prepared(&[(CAP, "SupplyLimitModule")]).await;
    let owner = &mut platform.owner;
    run(owner, &format!("update chain.assets set total_supply = 120 where id = '{asset}'")).await;
    given(owner, CAP, "supply_limit", "", "120", "1").await;
    found(owner).await;
    assert_eq!(of_modules(owner).await, 0);
    given(owner, CAP, "supply_limit", "", "119", "1").await;
    assert_eq!(found(owner).await, (1, 0));
    assert_eq!(
        open(owner, "supply_above_cap", "{\"limit_base\": \"119\", \"supply_base\": \"120\"}").await,
        1
    );
    let about = "select count(*) from app.compliance_violations where violation_type = 'supply_above_cap'
        and (user_id is not null or details ? 'wallet' or details ? 'identity')";
    assert_eq!(count(owner, about).await, 0, "it is about the asset");
    assert_eq!(found(owner).await, (0, 0));
    let provisional = "(select finalized_number + 1 from chain.checkpoints)";
    given(owner, CAP, "supply_limit", "", "200", provisional).await;
    assert_eq!(found(owner).await, (0, 0), "not final yet");
    run(
        owner,
        "update chain.module_parameters set from_block = 1, from_log = 99 where value = 200;
        update chain.module_parameters set to_block = 1 where value = 119",
    )
    .await;
    assert_eq!(found(owner).await, (0, 1));
}
