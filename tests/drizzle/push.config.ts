import { defineConfig } from "drizzle-kit";

// As a platform pushes a schema of its own into the database that holds ours.
export default defineConfig({
  dialect: "postgresql",
  schema: "./own.ts",
  dbCredentials: { url: process.env.DATABASE_URL! },
});
