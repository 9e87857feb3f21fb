//! What the tests share.

pub mod command;
pub mod ddl;
pub mod events;
pub mod noise;
pub mod oracle;
pub mod play;
pub mod process;
pub mod real;
pub mod scripted_node;
pub mod sim_chain;
pub mod world;
