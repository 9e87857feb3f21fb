//! The program: see the library's documentation, or `asset-indexer --help`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    asset_indexer::cli::main()
}
