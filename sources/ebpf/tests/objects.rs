//! The compiled programs that are committed are what their sources compile to.
//!
//! Only the compiler they were built with gives the same bytes; where it is not installed, the test is
//! listed as ignored, by name.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial, run};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    let missing = other_compiler();
    if let Some(why) = &missing {
        eprintln!("committed_objects_are_what_the_sources_compile_to is ignored: {why}");
    }
    let test = Trial::test("committed_objects_are_what_the_sources_compile_to", compare);
    run(&Arguments::from_args(), vec![test.with_ignored_flag(missing.is_some())]).exit_code()
}

/// The first line of `clang --version`, without what the distribution adds.
fn compiler() -> Option<String> {
    let said = Command::new("clang").arg("--version").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let version = text.lines().next()?.split_once("version ")?.1;
    Some(version.split(['-', ' ']).next().unwrap_or(version).to_owned())
}

/// Why the objects cannot be compared here.
fn other_compiler() -> Option<String> {
    let built_with = fs::read_to_string(Path::new(FOLDER).join("objects/CLANG")).ok()?;
    match compiler() {
        None => Some("it needs clang (Debian: clang, llvm)".to_owned()),
        Some(here) if here != built_with.trim() => {
            Some(format!("the objects were built by clang {}, here is {here}", built_with.trim()))
        }
        Some(_) => None,
    }
}

fn compare() -> Result<(), Failed> {
    let built = std::env::temp_dir().join(format!("conns-objects-{}", std::process::id()));
    fs::create_dir_all(&built)?;
    let outcome = compare_with(&built);
    fs::remove_dir_all(&built)?;
    outcome
}

fn compare_with(built: &Path) -> Result<(), Failed> {
    let script = Path::new(FOLDER).join("build.sh");
    let output = Command::new("sh").arg(script).arg(built).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let committed = Path::new(FOLDER).join("objects");
    let names = |folder: &Path| -> Result<Vec<_>, Failed> {
        let mut names: Vec<_> = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<_, std::io::Error>>()?;
        names.sort();
        Ok(names)
    };
    let all = names(built)?;
    if all != names(&committed)? {
        return Err(format!("other files than {all:?} are committed; run `make bpf`").into());
    }
    for name in all {
        if fs::read(built.join(&name))? != fs::read(committed.join(&name))? {
            return Err(
                format!("{name:?} is not what its source compiles to; run `make bpf`").into()
            );
        }
    }
    Ok(())
}
