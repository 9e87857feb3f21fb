//! How each target is asked: the SQL, the role, and whom or what it is about.

use asset_indexer::report::{By, Kind};

use super::Failed;
use super::draw::Draw;
use super::report::About;

/// What answers for a target.
pub enum Asked {
    /// A statement.
    Statement(Statement),
    /// A report of the program.
    Report(Kind, About),
}

/// A statement with its parameters, all as text.
pub struct Statement {
    /// The SQL; parameters are cast in it.
    pub sql: String,
    /// The group whose rights it is asked with.
    pub role: &'static str,
    /// The parameters of one asking.
    pub draw: fn(&mut Draw<'_>) -> Vec<String>,
    /// Whether it writes.
    pub writes: bool,
    /// It is asked so many times more seldom than others: it is large.
    pub seldom: usize,
}

const APP: &str = "asset_indexer_app";
const WRITER: &str = "asset_indexer_writer";

/// Events that are written while it is measured are from this log index on.
pub const WRITTEN_FROM: i64 = 1_000_000_000;

const ACTION: &str =
    "insert into app.user_actions (user_id, action_type, resource, details, ip_address, user_agent)
     values ($1::uuid, 'view', $2::text, '{\"page\": 1}', '10.0.0.1', 'Mozilla/5.0 (X11; Linux x86_64)')";
const ACTIONS: &str =
    "insert into app.user_actions (user_id, action_type, resource, details, ip_address, user_agent)
     select $1::uuid, 'view', $2::text || n, '{\"page\": 1}', '10.0.0.1', 'Mozilla/5.0 (X11; Linux x86_64)'
     from generate_series(1, 1000) n";

/// How to ask what `ops.targets` names.
///
/// # Errors
/// Nothing here knows it.
pub fn of(question: &str) -> Result<Asked, Failed> {
    Ok(match question {
        // Of an asset of the published volumes, which give one a few holders; the one with many is beside it.
        "asset-indexer report compliance" => Asked::Report(Kind::Compliance, About::Ordinary),
        "asset-indexer report cap-table" => Asked::Report(Kind::CapTable(By::Wallet), About::Large),
        question => Asked::Statement(write(question).map_or_else(|| read(question), Ok)?),
    })
}

fn write(question: &str) -> Option<Statement> {
    let of =
        |role, sql: &str, draw| Some(Statement { sql: sql.to_owned(), role, draw, writes: true, seldom: 1 });
    match question {
        "update app.user_profiles" => {
            of(APP, "update app.user_profiles set phone = $2::text where user_id = $1::uuid", |draw| {
                vec![draw.person().id.clone(), draw.ciphertext()]
            })
        }
        "insert into app.user_actions" => {
            of(APP, ACTION, |draw| vec![draw.person().id.clone(), format!("assets/{}", draw.below(1_000))])
        }
        "insert into app.user_actions, 1,000 rows" => Some(Statement {
            seldom: 10,
            ..of(APP, ACTIONS, |draw| vec![draw.person().id.clone(), "assets/".to_owned()])?
        }),
        "insert into app.compliance_logs" => of(
            APP,
            "insert into app.compliance_logs (asset_id, user_id, compliance_check, result, details)
             values ($1::uuid, $2::uuid, 'kyc', 'passed', '{\"source\": \"check\"}')",
            |draw| vec![draw.asset(), draw.person().id.clone()],
        ),
        "insert into chain.system_events" => of(
            WRITER,
            "insert into chain.system_events (chain_id, event_type, event_data, source, severity)
             values (1, 'provider', jsonb_build_object('block', $1::bigint), 'asset-indexer', 'info')",
            |draw| vec![draw.block().to_string()],
        ),
        "insert into chain.asset_events" => of(
            WRITER,
            "insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash,
                 block_timestamp, transaction_hash, transaction_index, address, role, event_type, event_data, topic0, topic1,
                 topic2, data)
             select 1, $1::bigint, $2::bigint, 0, md5('w' || $2::text)::uuid, $3::uuid, sha256('b'), now(),
                 sha256($2::text::bytea), 0, api.address($4::text), 'erc20', 'Transfer', '{\"value\": \"1\"}',
                 sha256('Transfer'), sha256('f'), sha256('t'), sha256('d')",
            |draw| {
                let asset = draw.ordinary();
                let number = draw.pools.next();
                vec![
                    draw.pools.shape.blocks().to_string(),
                    (WRITTEN_FROM.cast_unsigned() + number).to_string(),
                    asset.id.clone(),
                    asset.contract.clone(),
                ]
            },
        ),
        _ => None,
    }
}

fn read(question: &str) -> Result<Statement, Failed> {
    let sql = match question {
        "app.validate_session" => "select * from app.validate_session($1::text)".to_owned(),
        "app.has_permission" => "select app.has_permission($1::uuid, $2::text, $3::text)".to_owned(),
        "api.balance_at" => "select * from api.balance_at($1::uuid, $2::text, $3::bigint)".to_owned(),
        file => {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries").join(file);
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let draw =
        about(question).ok_or_else(|| format!("{question}: nothing says whom or what to ask it about"))?;
    Ok(Statement { sql, role: APP, draw, writes: false, seldom: 1 })
}

/// The parameters of a question.
fn about(question: &str) -> Option<fn(&mut Draw<'_>) -> Vec<String>> {
    Some(match question {
        "user_lookup.sql" => |draw| vec![draw.person().email.clone()],
        "app.validate_session" => |draw| vec![draw.person().token.clone()],
        "app.has_permission" => |draw| {
            let action = ["read", "approve"][draw.below(2) as usize];
            vec![draw.person().id.clone(), format!("resource{}", draw.below(20)), action.to_owned()]
        },
        "asset_lookup.sql" => |draw| vec!["1".to_owned(), draw.ordinary().contract.clone()],
        "asset_listing.sql" => |draw| {
            let kind = ["erc20", "erc3643"][draw.below(2) as usize];
            let below = draw.block().to_string();
            vec![
                "1".to_owned(),
                kind.to_owned(),
                "active".to_owned(),
                below,
                "00000000-0000-0000-0000-000000000000".to_owned(),
            ]
        },
        "largest_holders.sql" | "open_violations.sql" => |draw| vec![draw.asset()],
        "daily_volume.sql" => |draw| {
            let days = draw.days_of_chain(30);
            [vec![draw.asset()], days.to_vec()].concat()
        },
        "identity_lookup.sql" | "valid_claims.sql" => {
            |draw| vec!["1".to_owned(), draw.wallet().identity.clone()]
        }
        "eligibility.sql" => |draw| {
            let (from, to) = (draw.wallet().wallet.clone(), draw.wallet().wallet.clone());
            vec![draw.asset(), from, to, "1000".to_owned()]
        },
        "system_events_in_period.sql" => |draw| draw.days_of_chain(7).to_vec(),
        "actions_of_user.sql" => |draw| {
            let days = draw.days(30);
            [vec![draw.person().id.clone()], days.to_vec()].concat()
        },
        "movements_in_period.sql" => |draw| {
            let first = draw.block();
            let last = first + draw.pools.shape.blocks() / 50;
            vec![draw.asset(), first.to_string(), last.to_string()]
        },
        "checks_of_asset.sql" | "violations_in_period.sql" => |draw| {
            let days = draw.days(365);
            [vec![draw.asset()], days.to_vec()].concat()
        },
        "system_setting.sql" => |draw| vec![format!("setting.{}", draw.below(1000))],
        "feature_flag.sql" => |draw| vec![format!("feature.{}", draw.below(500))],
        "integration.sql" => |draw| vec![format!("service.{}", draw.below(100))],
        "user_preferences.sql" | "holdings_of_user.sql" => |draw| vec![draw.person().id.clone()],
        "operations_in_period.sql" => |draw| {
            let days = draw.days_of_chain(365);
            [vec![draw.asset()], days.to_vec()].concat()
        },
        "api.balance_at" => |draw| {
            let (wallet, block) = (draw.wallet().wallet.clone(), draw.block().to_string());
            vec![draw.pools.large(), wallet, block]
        },
        "cap_table_on_date.sql" => |draw| {
            let [from, _] = draw.days_of_chain(1);
            vec![draw.ordinary().id.clone(), from[..10].to_owned(), "Europe/Zurich".to_owned()]
        },
        _ => return None,
    })
}
