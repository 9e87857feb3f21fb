-- Roles stay: they belong to the cluster, and other databases may use them.
drop schema app;
drop schema api;
drop schema ops;
drop domain chain.hash32;
drop domain chain.address;
drop schema chain;
