#!/bin/sh
# Two copies of monitor-core in one program: each says that the other is there, and neither is disturbed by it.
#
# Builds a program with this workspace's crate and a copy of it under another version, offline, and runs it. From any
# directory; what it makes lies below the target directory, and all but the compiled crates is removed at the end.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
case ${CARGO_TARGET_DIR:-} in
    '') target=$root/target ;;
    /*) target=$CARGO_TARGET_DIR ;;
    *) target=$PWD/$CARGO_TARGET_DIR ;;
esac
# The same directory each time, so that cargo builds each crate once.
work=$target/two_copies
source=$work/source
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
other=0.0.9

rm -rf "$source"
mkdir -p "$source/other" "$source/program/src"
trap 'rm -rf "$source"' EXIT
trap 'exit 130' INT TERM

cp -R "$root/monitor-core" "$root/monitor-macros" "$source/other"
sed -e 's/^members = .*/members = ["monitor-core", "monitor-macros"]/' -e '/^default-members = /d' \
    -e "s/version = \"$version\"/version = \"$other\"/" "$root/Cargo.toml" >"$source/other/Cargo.toml"

cat >"$source/program/Cargo.toml" <<MANIFEST
[package]
name = "two-copies"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
ours = { package = "monitor-core", path = "$root/monitor-core" }
other = { package = "monitor-core", path = "../other/monitor-core" }
MANIFEST
# The versions that are downloaded already.
cp "$root/Cargo.lock" "$source/program"

cat >"$source/program/src/main.rs" <<'PROGRAM'
#[ours::track_operation(name = "work", crate = ours)]
fn of_ours() {
    of_other();
    std::hint::black_box(());
}

#[other::track_operation(name = "work", crate = other)]
fn of_other() {
    std::hint::black_box(());
}

fn main() {
    let [version, other_version] = [env!("OURS"), env!("OTHER")];
    let mut all = vec![version.to_owned(), other_version.to_owned()];
    all.sort();
    for mut copies in [ours::copies(), other::copies()] {
        copies.sort();
        assert_eq!(copies, all);
    }
    std::thread::spawn(of_ours).join().unwrap();
    of_ours();
    of_other();
    let (ours, other) = (ours::monitor().snapshot(), other::monitor().snapshot());
    let calls = [ours.operation("work").unwrap().succeeded, other.operation("work").unwrap().succeeded];
    assert_eq!(calls, [2, 3], "each has the calls made through it, and no others");
    assert_eq!(ours.monitor().copies, [format!("monitor-core {other_version}")]);
    assert_eq!(other.monitor().copies, [format!("monitor-core {version}")]);
    for (table, named) in [(ours.to_string(), other_version), (other.to_string(), version)] {
        let said = table.lines().any(|line| line.starts_with("! ") && line.contains(&format!("monitor-core {named}")));
        assert!(said, "the table does not say that there is another copy:\n{table}");
    }
    assert!(ours.operation("work").is_some_and(|work| work.in_flight() == 0));
    println!("two copies, {version} and {other_version}: each reported by the other");
}
PROGRAM

export OURS="$version" OTHER="$other" CARGO_TARGET_DIR="$work/build"

cargo run --quiet --offline --manifest-path "$source/program/Cargo.toml"
