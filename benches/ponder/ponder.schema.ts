import { onchainTable, primaryKey } from "ponder";

/** Every log. */
export const transfer = onchainTable("transfer", (t) => ({
  id: t.text().primaryKey(),
  token: t.hex().notNull(),
  sender: t.hex().notNull(),
  receiver: t.hex().notNull(),
  amount: t.bigint().notNull(),
  block: t.bigint().notNull(),
  logIndex: t.integer().notNull(),
  timestamp: t.bigint().notNull(),
  transaction: t.hex().notNull(),
}));

/** What each wallet holds. */
export const holding = onchainTable(
  "holding",
  (t) => ({
    token: t.hex().notNull(),
    holder: t.hex().notNull(),
    balance: t.bigint().notNull(),
  }),
  (table) => ({ key: primaryKey({ columns: [table.token, table.holder] }) }),
);

/** What each wallet held, from each change on. */
export const past = onchainTable(
  "past",
  (t) => ({
    token: t.hex().notNull(),
    holder: t.hex().notNull(),
    block: t.bigint().notNull(),
    logIndex: t.integer().notNull(),
    balance: t.bigint().notNull(),
  }),
  (table) => ({ key: primaryKey({ columns: [table.token, table.holder, table.block, table.logIndex] }) }),
);
