// Typed joins from application to chain: compiled with --strict, then run.
import { and, eq, isNull, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { assetHolders, assets, identities, transactionLogs, users, walletLinks } from "./schema.ts";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query(`set app.tenant = '${process.env.TENANT}'`);
const db = drizzle(client);

// Users, and what they hold.
const holdings: { email: string; symbol: string | null; balance: string | null; verified: boolean | null }[] = await db
  .select({ email: users.email, symbol: assets.symbol, balance: assetHolders.balanceBase, verified: assetHolders.verified })
  .from(users)
  .innerJoin(walletLinks, and(eq(walletLinks.userId, users.id), isNull(walletLinks.unlinkedAt)))
  .innerJoin(
    assetHolders,
    and(eq(assetHolders.chainId, walletLinks.chainId), eq(assetHolders.holderBytes, sql`api.address(${walletLinks.wallet})`)),
  )
  .innerJoin(assets, eq(assets.id, assetHolders.assetId))
  .orderBy(users.email, assets.symbol);

// What a user moved.
const moved = await db
  .select({ amount: transactionLogs.amountBase, at: transactionLogs.timestamp, user: users.email })
  .from(transactionLogs)
  .innerJoin(users, eq(users.id, transactionLogs.userId));
const dates: (Date | null)[] = moved.map((row) => row.at);

// Identities without a user.
const strangers = await db.select({ id: identities.id }).from(identities).where(isNull(identities.userId));

console.log(JSON.stringify({ holdings: holdings.length, moved: dates.length, strangers: strangers.length }));
await client.end();
