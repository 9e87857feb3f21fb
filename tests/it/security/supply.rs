//! S18: the answers of cargo-deny about advisories: none, some, or a database out of reach, which is said and no failure.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::command::Folder;

#[test]
fn advisories_fail_when_found_and_are_said_to_be_unchecked_when_out_of_reach() {
    let folder = Folder::new();
    let answer = |name: &str, said: &str, code: i32| {
        let stub = folder.write(name, &format!("#!/bin/sh\ncat >&2 <<'SAID'\n{said}\nSAID\nexit {code}\n"));
        std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let ended = Command::new("tests/advisories.sh").arg(&stub).output().expect("there is a shell");
        (ended.status.success(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    };
    let (good, said) = answer("none", "advisories ok", 0);
    assert!(good && !said.contains("NOT CHECKED"), "{said}");
    let unreachable = "2026-11-25 22:00:00 [ERROR] failed to fetch advisory database https://github.com/rustsec/advisory-db\n\n\
                       Caused by:\n    could not resolve host";
    let (good, said) = answer("unreachable", unreachable, 1);
    assert!(good && said.contains("NOT CHECKED"), "{said}");
    let found = "error[vulnerability]: a hole in a crate\n  ID: RUSTSEC-2099-0001\n  Advisory: \
                 https://rustsec.org/advisories/RUSTSEC-2099-0001 in the advisory database";
    let (good, said) = answer("found", found, 1);
    assert!(!good && said.contains("RUSTSEC-2099-0001"), "{said}");
    let (good, said) = answer("broken", "[ERROR] .deny.toml: unexpected key", 1);
    assert!(!good && said.contains("FAILED"), "{said}");
    let (good, _) = answer("gone", "no such program", 127);
    assert!(!good);
}
