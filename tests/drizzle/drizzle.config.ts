import { defineConfig } from "drizzle-kit";

// As a platform would pull our tables; months of partitioned tables are left out.
export default defineConfig({
  dialect: "postgresql",
  out: process.env.OUT!,
  schemaFilter: ["api", "app"],
  tablesFilter: ["!*_20??_??"],
  dbCredentials: { url: process.env.DATABASE_URL! },
});
