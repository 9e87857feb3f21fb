import { type Context, type Event, ponder } from "ponder:registry";
import { holding, past, transfer } from "ponder:schema";
import { zeroAddress } from "viem";

type Log = Event<"Token:Transfer">;

ponder.on("Token:Transfer", async ({ event, context }) => {
  const { from, to, value } = event.args;
  await context.db.insert(transfer).values({
    id: event.id,
    token: event.log.address,
    sender: from,
    receiver: to,
    amount: value,
    block: event.block.number,
    logIndex: event.log.logIndex,
    timestamp: event.block.timestamp,
    transaction: event.transaction.hash,
  });
  if (value === 0n || from === to) return;
  if (from !== zeroAddress) await change(context, event, from, -value);
  if (to !== zeroAddress) await change(context, event, to, value);
});

async function change(context: Context, event: Log, holder: `0x${string}`, by: bigint) {
  const token = event.log.address;
  const { balance } = await context.db
    .insert(holding)
    .values({ token, holder, balance: by })
    .onConflictDoUpdate((row) => ({ balance: row.balance + by }));
  await context.db
    .insert(past)
    .values({ token, holder, block: event.block.number, logIndex: event.log.logIndex, balance });
}
