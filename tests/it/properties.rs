//! What holds for any number, text and row: against naive oracles, on the store in memory, and through PostgreSQL.

mod numbers;
mod stored;
mod texts;
mod undo;

/// Texts that somebody's quoting, escaping or display gets wrong.
pub const HOSTILE: [&str; 24] = [
    "",
    " ",
    "'",
    "\"",
    "');--",
    "'; drop table chain.assets; --",
    "\\",
    "\\.",
    "\\N",
    "a\n\\.\nb",
    "\t",
    "\r\n",
    "\\t\\n\\\\",
    "\\x00",
    "\u{1}\u{7f}\u{85}",
    "\u{2028}\u{2029}",
    "\u{202e}dlog\u{202c}",
    "\u{feff}\u{200b}",
    "{}",
    "{\"a\":\"\\u0000\"}",
    "NULL",
    "$1 %s ${HOME}",
    "🥇 Ǆ ﷺ e\u{301}",
    "\u{10ffff}\u{e000}",
];
