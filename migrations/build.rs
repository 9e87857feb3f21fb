//! Migrations are embedded at build time: a changed one must rebuild the program.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=abi");
}
