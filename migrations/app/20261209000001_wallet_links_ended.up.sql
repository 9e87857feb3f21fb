-- no-transaction
-- By wallet, also links that have ended: whose a wallet was when it moved something.
create index concurrently wallet_links_ended_idx on app.wallet_links (tenant_id, chain_id, wallet);
