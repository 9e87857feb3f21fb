import { createConfig } from "ponder";

const abi = [
  {
    type: "event",
    name: "Transfer",
    inputs: [
      { name: "from", type: "address", indexed: true },
      { name: "to", type: "address", indexed: true },
      { name: "value", type: "uint256", indexed: false },
    ],
  },
] as const;

/** What the benchmark says. */
function told(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: benches/backfill/peer.rs sets it`);
  return value;
}

export default createConfig({
  database: { kind: "postgres", connectionString: told("DATABASE_URL") },
  chains: { bench: { id: Number(told("PEER_CHAIN_ID")), rpc: told("PEER_RPC_URL") } },
  contracts: {
    Token: {
      chain: "bench",
      abi,
      address: told("PEER_TOKENS").split(",") as `0x${string}`[],
      startBlock: 1,
      endBlock: Number(told("PEER_END_BLOCK")),
    },
  },
});
