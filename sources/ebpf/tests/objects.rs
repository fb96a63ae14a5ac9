//! The committed objects are what their sources compile to.
//!
//! Only the same version of clang produces the same bytes; without it, the test is listed as ignored.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial, run};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    let missing = why_ignored();
    if let Some(why) = &missing {
        eprintln!("committed_objects_are_what_the_sources_compile_to is ignored: {why}");
    }
    let test = Trial::test("committed_objects_are_what_the_sources_compile_to", compare);
    run(&Arguments::from_args(), vec![test.with_ignored_flag(missing.is_some())]).exit_code()
}

/// The version of clang, without the distribution's suffix.
fn compiler() -> Option<String> {
    let output = Command::new("clang").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.lines().next()?.split_once("version ")?.1;
    Some(version.split(['-', ' ']).next().unwrap_or(version).to_owned())
}

/// Why the objects cannot be compared here.
fn why_ignored() -> Option<String> {
    let built_with = fs::read_to_string(Path::new(FOLDER).join("objects/CLANG")).ok()?;
    match compiler() {
        None => Some("it needs clang (Debian: clang, llvm)".to_owned()),
        Some(here) if here != built_with.trim() => {
            Some(format!("the objects were built by clang {}, this is {here}", built_with.trim()))
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
        return Err(format!("the committed files are not {all:?}; run `make bpf`").into());
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
