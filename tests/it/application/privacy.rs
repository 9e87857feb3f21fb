//! Privacy: what is stored of a person is thought of table by table, given out whole, and erased for good.

mod catalogue;
mod commands;
mod erased;
mod guarded;
mod periods;

use asset_indexer::cipher::MARK;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{Platform, connect, count, refused, run};
use crate::support::traces::{relations, traces};

/// How a value of a person is held, and so what an export does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// As it is.
    Plain,
    /// Stands in the tables as it is, and in no export: a digest, a token's ciphertext, a key.
    Secret,
    /// Ciphertext of a profile: an export with the key has what it means instead.
    Ciphertext,
    /// What a ciphertext means: in no table.
    Meaning,
    /// The wallet: public on the chain, and the person's only by a link.
    Wallet,
}

/// A person with rows in every table of the application.
#[derive(Debug, Clone)]
struct Subject {
    user: Uuid,
    tenant: Uuid,
    values: Vec<(String, Held)>,
}

/// The key that wraps the persons' keys, as a file holds it.
const WRAPPING_KEY: [u8; 32] = [7; 32];

/// The file of keys for `--key-file`.
fn key_file() -> String {
    format!("test-1 {}\n", STANDARD.encode(WRAPPING_KEY))
}

/// As an application encrypts: nonce, ciphertext and tag, in base64.
fn seal(key: &[u8; 32], place: &str, user: Uuid, plain: &[u8]) -> String {
    let nonce: [u8; 12] = Uuid::new_v4().as_bytes()[..12].try_into().expect("12 of 16");
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"));
    let mut sealed = plain.to_vec();
    let associated = Aad::from(format!("{place}/{user}").into_bytes());
    let nonce_of = Nonce::try_assume_unique_for_key(&nonce).expect("12 bytes");
    sealing.seal_in_place_append_tag(nonce_of, associated, &mut sealed).expect("it fits");
    STANDARD.encode([nonce.as_slice(), &sealed].concat())
}

/// A digest as the tables hold it: of something that stands nowhere.
fn digest() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

impl Subject {
    /// Fills every table that speaks of a person for the user; `number` tells addresses apart.
    async fn fill(
        owner: &mut PgConnection,
        tenant: Uuid,
        user: Uuid,
        number: u8,
        chain_id: i64,
        wallet: &str,
    ) -> Self {
        let mark = format!("q{}", &Uuid::new_v4().simple().to_string()[..12]);
        let key: [u8; 32] =
            [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat().try_into().expect("2 x 16");
        let mut subject = Self { user, tenant, values: vec![(wallet.to_owned(), Held::Wallet)] };
        let held = &mut subject.values;
        let mut plain = |text: String| {
            held.push((text.clone(), Held::Plain));
            text
        };
        let (email, name) = (plain(format!("{mark}@example.org")), plain(format!("{mark}user")));
        let (ip, other_ip) = (plain(format!("198.51.100.1{number}")), plain(format!("203.0.113.2{number}")));
        let (agent, idp) = (plain(format!("{mark}Browser/7")), plain(format!("{mark}-at-idp")));
        let (wish, entered) = (plain(format!("{mark} wishes")), plain(format!("{mark} entered")));
        let wrapped = seal(&WRAPPING_KEY, "subject_keys.wrapped_key", user, &key);
        held.push((wrapped.clone(), Held::Secret));
        let mut sealed = |place: &str, text: String, is_secret: bool| {
            let ciphertext = format!("{MARK}{}", seal(&key, place, user, text.as_bytes()));
            held.push((ciphertext.clone(), if is_secret { Held::Secret } else { Held::Ciphertext }));
            if !is_secret {
                held.push((text, Held::Meaning));
            }
            ciphertext
        };
        let profile = ["first_name", "last_name", "phone", "address"]
            .map(|column| sealed(&format!("user_profiles.{column}"), format!("{mark} {column}"), false));
        let tokens = ["access_token", "refresh_token"]
            .map(|column| sealed(&format!("accounts.{column}"), format!("{mark} {column}"), true));
        let (session, code) = (digest(), digest());
        held.extend([(session.clone(), Held::Secret), (code.clone(), Held::Secret)]);
        let transaction = format!("0x{}", digest());
        let [first, last, phone, address] = profile;
        let [access, refresh] = tokens;
        let sql = format!(
            "select set_config('app.tenant', '{tenant}', false);
             update app.users set email = '{email}', username = '{name}', last_activity_at = now() where id = '{user}';
             insert into app.subject_keys (user_id, wrapped_key, wrapping_key) values ('{user}', '{wrapped}', 'test-1');
             insert into app.user_profiles (user_id, first_name, last_name, phone, address, preferences)
                values ('{user}', '{first}', '{last}', '{phone}', '{address}', '{{\"x\": \"{wish}\"}}');
             insert into app.user_settings (user_id, preferences, privacy_settings)
                values ('{user}', '{{\"x\": \"{wish}\"}}', '{{\"y\": \"{wish}\"}}');
             insert into app.sessions (user_id, token, expires_at, ip_address)
                values ('{user}', '{session}', now() + interval '1 hour', '{ip}');
             insert into app.accounts (user_id, provider, provider_id, access_token, refresh_token)
                values ('{user}', 'idp', '{idp}', '{access}', '{refresh}');
             insert into app.verifications (user_id, type, token, expires_at)
                values ('{user}', 'email', '{code}', now() + interval '1 day');
             insert into app.onboarding_state (user_id, step, data, metadata)
                values ('{user}', 'account', '{{\"x\": \"{entered}\"}}', '{{\"y\": \"{entered}\"}}');
             insert into app.wallet_links (user_id, chain_id, wallet) values ('{user}', {chain_id}, '{wallet}');
             insert into app.user_roles (user_id, role, assigned_by) values ('{user}', 'issuer', '{user}');
             insert into app.permissions (name, resource, action) values ('{mark}', 'asset', 'mint');
             insert into app.role_permissions (role, permission_id, granted_by)
                select 'issuer', id, '{user}' from app.permissions where name = '{mark}';
             insert into app.asset_permissions (asset_id, user_id, permission_type, granted_by)
                values (gen_random_uuid(), '{user}', 'mint', '{user}');
             insert into app.submitted_transactions (transaction_hash, chain_id, operation_type, user_id, sender, nonce)
                values ('{transaction}', {chain_id}, 'transfer', '{user}', '{wallet}', 7);
             insert into app.submitted_transactions (transaction_hash, chain_id, operation_type, sender)
                values ('0x{}', {chain_id}, 'transfer', '{wallet}');
             insert into app.user_actions (user_id, action_type, resource, details, ip_address, user_agent)
                values ('{user}', 'read', 'the mail to {email}', '{{\"x\": \"{entered}\"}}', '{ip}', '{agent}');
             insert into app.login_history (user_id, login_method, success, ip_address, user_agent)
                values ('{user}', 'passkey', true, '{other_ip}', '{agent}');
             insert into app.login_history (user_id, login_method, success, failure_reason)
                values ('{user}', 'password', false, 'no password for {name}');
             insert into app.access_logs (user_id, resource, action, result) values ('{user}', 'report', 'read', 'allowed');
             insert into app.access_logs (resource, action, result) values ('user {user}', 'read', 'allowed');
             insert into app.compliance_logs (user_id, compliance_check, result) values ('{user}', 'kyc', 'passed');
             select set_config('app.actor', 'user {user}', false);
             insert into app.roles (role) values ('{mark}');
             select set_config('app.actor', '', false);
             with v as (insert into app.compliance_violations (user_id, violation_type, details)
                    values ('{user}', 'max_balance', '{{\"evidence\": \"of {user}\"}}') returning id, detected_at),
                r as (insert into app.regulatory_reports (report_type, jurisdiction, period, report_data)
                    values ('annual', 'CH', '2025', '{{\"evidence\": \"of {user}\"}}') returning id),
                l as (insert into app.violation_resolutions (violation_id, detected_at, resolution_type, notes)
                    select id, detected_at, 'waived', 'of {user}' from v)
             select 1;
             insert into app.report_violations (report_id, violation_id, detected_at)
                select r.id, v.id, v.detected_at from app.regulatory_reports r, app.compliance_violations v
                where v.user_id = '{user}' and r.report_data ->> 'evidence' = 'of {user}';
             select set_config('app.tenant', '', false)",
            digest()
        );
        for statement in sql.split(";\n") {
            run(owner, statement).await;
        }
        subject
    }

    /// Values of these kinds.
    fn held(&self, kinds: &[Held]) -> Vec<String> {
        self.values.iter().filter(|(_, held)| kinds.contains(held)).map(|(text, _)| text.clone()).collect()
    }
}

/// Two people of one tenant and one of another, the first of whom is to be erased.
async fn people(platform: &mut Platform, chain_id: i64, wallets: [&str; 3]) -> [Subject; 3] {
    let [one, two] = platform.tenants;
    let second = sqlx::query_scalar(
        "insert into app.users (tenant_id, email) values ($1, 'b@example.org') returning id",
    )
    .bind(one)
    .fetch_one(&mut platform.owner)
    .await
    .expect("a user");
    let [first, foreign] = platform.users;
    let owner = &mut platform.owner;
    [
        Subject::fill(owner, one, first, 1, chain_id, wallets[0]).await,
        Subject::fill(owner, one, second, 2, chain_id, wallets[1]).await,
        Subject::fill(owner, two, foreign, 3, chain_id, wallets[2]).await,
    ]
}

const WALLETS: [&str; 3] = [
    "0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    "0xb2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2",
    "0xc3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3",
];

/// A digest of every row of schema `app`, by table.
async fn contents(owner: &mut PgConnection) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for relation in relations(owner, &["app"]).await {
        let sql = format!(
            "select coalesce(md5(string_agg(to_jsonb(r)::text, '' order by to_jsonb(r)::text)), '') from {relation} r"
        );
        let told = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *owner).await.expect("readable");
        all.push((relation, told));
    }
    all
}

async fn erase(owner: &mut PgConnection, subject: &Subject, apply: bool) -> i64 {
    let sql = format!("select count(*) from app.erase_subject('{}', 'DSR-1', {apply})", subject.user);
    count(owner, &sql).await
}
