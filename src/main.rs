//! The program: see the library's documentation, or `asset-indexer --help`.

fn main() -> std::process::ExitCode {
    asset_indexer::cli::main()
}
