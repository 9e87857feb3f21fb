//! What the tests share.

pub mod command;
pub mod ddl;
pub mod process;
pub mod real;
pub mod scripted_node;
pub mod world;
