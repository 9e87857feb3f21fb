import { numeric, pgTable, uuid } from "drizzle-orm/pg-core";

export const orders = pgTable("orders", { id: uuid().primaryKey(), assetId: uuid("asset_id"), amount: numeric() });
