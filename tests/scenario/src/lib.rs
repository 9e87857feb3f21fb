//! A real node with the real contracts.
