//! A chain for scripts: a node with the real contracts, moved on by words on standard input.
//!
//! ```text
//! play 6       the story up to and with its sixth step      reorg 4      the last blocks anew, same transactions
//! mine 20      empty blocks                                 head         nothing
//! ```
//!
//! The first line that it prints is the node's URL and the two factories that following starts from; each word is
//! answered by `head NUMBER HASH` once it is so. The end of the input ends the node.

use std::io::Write;

use scenario::{Node, NodeOptions, Play};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// Any error will do: it is printed and the chain ends.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Finality is twice as many blocks behind the head: some blocks of the story are final, some are not.
const SLOTS_IN_AN_EPOCH: u64 = 8;

#[tokio::main]
async fn main() -> Result<()> {
    let options = NodeOptions { slots_in_an_epoch: SLOTS_IN_AN_EPOCH, ..NodeOptions::default() };
    let node = Node::start_with(options).await?;
    let mut story = Play::begin(&node)?;
    story.play_next(&node).await?;
    let suite = story.suite()?;
    tell(&format!("{} trex_factory={} id_factory={}", node.url(), suite.trex_factory, suite.id_factory))?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        obey(&node, &mut story, &line).await?;
        let head = node.head().await?.header;
        tell(&format!("head {} {}", head.number, head.hash))?;
    }
    Ok(())
}

async fn obey(node: &Node, story: &mut Play, line: &str) -> Result<()> {
    let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
    let number: u64 = number.parse().map_err(|error| format!("{line:?}: {error}"))?;
    match word {
        "play" => {
            while u64::try_from(story.acts().len())? < number {
                story.play_next(node).await?.ok_or_else(|| format!("{line:?}: the story is shorter"))?;
            }
        }
        "mine" => node.mine(number).await?,
        "reorg" => node.reorg_with_the_same_transactions(number, 0).await?,
        "head" => {}
        _ => return Err(format!("{line:?}: say play, mine, reorg or head").into()),
    }
    Ok(())
}

/// A line that the script reads at once.
fn tell(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
