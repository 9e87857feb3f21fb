//! What is said to be proved: whether it hangs together, and whether the watermark is where it leads.

use sqlx::Row as _;

use super::{Check, Finding, Snapshot};
use crate::block::BlockId;
use crate::store::postgres::{failed, read_evidence};
use crate::store::{Evidence, StoreError};

pub(super) async fn check(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let wrong = |error: sqlx::Error| failed("reading evidence", &error);
    let stretches = read_evidence(&mut snapshot.connection, snapshot.chain_id).await.map_err(wrong)?;
    let row =
        sqlx::query("select origin_number, origin_hash::bytea from chain.checkpoints where chain_id = $1")
            .bind(snapshot.chain())
            .fetch_one(&mut snapshot.connection)
            .await
            .map_err(wrong)?;
    let origin = BlockId {
        number: u64::try_from(row.get::<i64, _>(0)).unwrap_or_default(),
        hash: row.get::<Vec<u8>, _>(1).as_slice().try_into().unwrap_or_default(),
    };
    Ok(judge(&stretches, origin, snapshot.at(), snapshot.checkpoint.verified))
}

fn judge(stretches: &[Evidence], origin: BlockId, checkpoint: BlockId, verified: BlockId) -> Check {
    let mut check = Check::new(
        "evidence_hangs_together",
        "Stretches of evidence do not overlap, hang together by hashes, and lead to the watermark.",
    );
    check.examined = stretches.len() as u64;
    let name = check.name;
    let about = |stretch: &Evidence, message: String| {
        let key = format!("{{\"from_block\": {}}}", stretch.range.from);
        Finding::of(name, message).row("evidence", key).block(stretch.range.from)
    };
    for pair in stretches.windows(2) {
        let [one, next] = pair else { continue };
        if one.range.to >= next.range.from {
            check.find(about(
                next,
                format!("it overlaps with the stretch that ends at block {}", one.range.to),
            ));
        } else if one.range.to + 1 == next.range.from && one.hash != next.parent {
            let finding = about(next, "it does not hang on the stretch below".to_owned());
            check.find(finding.values(next.parent.to_string(), one.hash.to_string()));
        }
    }
    for stretch in stretches {
        if stretch.range.to > checkpoint.number {
            check
                .find(about(stretch, format!("it ends above the checkpoint, at block {}", stretch.range.to)));
        }
    }
    let mut reached = origin;
    for stretch in stretches {
        let joins = stretch.range.from == reached.number + 1 && stretch.parent == reached.hash;
        let covers = stretch.range.from <= reached.number && stretch.range.to > reached.number;
        if joins || covers {
            reached = stretch.last();
        }
    }
    if reached != verified {
        let finding = Finding::of(name, "the watermark is not where the evidence leads")
            .row("checkpoints", "{}")
            .block(verified.number);
        let say = |block: BlockId| format!("{} {}", block.number, block.hash);
        check.find(finding.values(say(verified), say(reached)));
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockRange;
    use crate::proof::Method;
    use alloy::primitives::B256;

    fn id(number: u64) -> BlockId {
        BlockId { number, hash: B256::with_last_byte(number as u8) }
    }

    fn stretch(from: u64, to: u64) -> Evidence {
        Evidence {
            range: BlockRange { from, to },
            parent: id(from - 1).hash,
            hash: id(to).hash,
            method: Method::Bloom,
            provider: "one".to_owned(),
            requests: 1,
        }
    }

    #[test]
    fn whole_evidence_is_clean_and_every_break_is_named() {
        let whole = [stretch(1, 4), stretch(5, 9), stretch(12, 14)];
        assert_eq!(judge(&whole, id(0), id(14), id(9)).found, 0);
        assert_eq!(judge(&whole, id(0), id(14), id(14)).found, 1, "a gap below the watermark");
        assert_eq!(judge(&whole, id(0), id(13), id(9)).found, 1, "above the checkpoint");
        assert_eq!(judge(&[stretch(1, 4), stretch(4, 9)], id(0), id(9), id(9)).found, 1, "an overlap");
        let mut other = whole.clone();
        other[1].parent = B256::ZERO;
        assert_eq!(
            judge(&other, id(0), id(14), id(9)).found,
            2,
            "a broken link, and no way to the watermark"
        );
        let mut forged = id(9);
        forged.hash = B256::ZERO;
        assert_eq!(judge(&whole, id(0), id(14), forged).found, 1, "another hash");
    }
}
