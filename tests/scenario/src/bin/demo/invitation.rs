//! What to try next, with lines to copy.

use crate::Result;
use crate::stage::Stage;
use crate::text::say;

/// SQL to try; `{block}` is a block of the past, `{wallet}` a holder, `{symbol}` a token.
const QUESTIONS: [(&str, &str); 4] = [
    (
        "who holds the bond, and may they?",
        "select holder_address, balance, percentage, verified from api.asset_holders
   where asset_id = (select id from api.assets where symbol = '{symbol}') and balance_base <> 0
   order by balance_base desc;",
    ),
    (
        "who held it at the end of block {block}, and was the holder verified then?",
        "select holder_address, balance, verified
   from api.holders_at((select id from api.assets where symbol = '{symbol}'), {block})
   order by balance desc;",
    ),
    (
        "what does a wallet hold, of all tokens?",
        "select a.symbol, h.balance, h.frozen, h.verified
   from api.holdings('{wallet}') h
   join api.assets a on a.id = h.asset_id;",
    ),
    (
        "what did the reorg take back?",
        "select block_number, entity_type, action, old_state from api.audit_trail order by id;",
    ),
];

/// Prints the lines: of this run if it is kept, else of one that would be, as seen from the repository.
pub(crate) fn print(stage: &Stage, is_kept: bool, symbol: &str, block: u64, wallet: &str) -> Result<()> {
    let (_, http, url) = stage.daemons();
    let here = std::env::current_dir()?.display().to_string();
    let shown = |text: &str| if is_kept { text.to_owned() } else { text.replace(&here, "$PWD") };
    say!("psql \"{}\"\n", shown(url));
    for (question, sql) in QUESTIONS {
        let filled = |text: &str| {
            text.replace("{symbol}", symbol)
                .replace("{block}", &block.to_string())
                .replace("{wallet}", wallet)
        };
        say!("-- {}\n{}\n", filled(question), filled(sql));
    }
    say!("curl http://{http}/status\ncurl http://{http}/metrics\n");
    let (state, program) = (stage.program().state().display(), stage.program().binary().display());
    say!("export ASSET_INDEXER__DATABASE__STATE_DIR=\"{}\"", shown(&state.to_string()));
    say!("\"{}\" status --rpc {}", shown(&program.to_string()), stage.node()?.url());
    Ok(())
}
