//! Confinement of the serving threads: they drop every capability and, with Landlock (landlock(7)),
//! access to nearly all files, new TCP connections and ports.
//!
//! Capabilities and Landlock domains belong to a thread. The thread that reads `/proc` cannot be in a
//! domain, which would hide all other processes from it; the threads that read client input can.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::thread::CapabilitySet;

use crate::capabilities::keep_only;
use crate::error::PrivilegeError;
use crate::keep::Keep;
use crate::report::{Landlock, LandlockState, Serving};

/// The newest version whose rights are requested; an older kernel enforces those it supports.
pub(crate) const NEWEST: ABI = ABI::V6;

/// The rules for serving threads.
#[derive(Debug, Clone)]
pub struct Confinement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rules: RulesetCreated,
    outcome: Mutex<Outcome>,
}

#[derive(Debug, Default)]
struct Outcome {
    abi: Option<i32>,
    least: Option<LandlockState>,
    confined: u64,
    failed: u64,
    failure: Option<String>,
}

impl Confinement {
    /// Creates the rules; no thread is confined yet. They allow reading `keep.readable`, and removing
    /// files in `keep.writable`; paths that do not exist are skipped.
    ///
    /// # Errors
    /// [`PrivilegeError`] if the kernel has Landlock and refuses the rules.
    pub fn prepare(keep: &Keep) -> Result<Self, PrivilegeError> {
        let rules = rules(keep).map_err(|error| PrivilegeError::Refused {
            attempted: "create Landlock rules for serving threads".to_owned(),
            cause: io::Error::other(error.to_string()),
            remedy: "Allow the agent landlock_create_ruleset(2) and landlock_add_rule(2)",
        })?;
        Ok(Self { inner: Arc::new(Inner { rules, outcome: Mutex::default() }) })
    }

    /// Confines the calling thread and all threads it starts. The outcome is also in
    /// [`Confinement::serving`].
    ///
    /// # Errors
    /// [`PrivilegeError`] if the thread still has capabilities or access to files. A kernel without
    /// Landlock is no error; the outcome names it.
    pub fn confine_thread(&self) -> Result<(), PrivilegeError> {
        let outcome = self.confine();
        let mut sum = self.inner.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok((state, abi)) => {
                sum.abi = *abi;
                sum.confined += 1;
                sum.least = Some(sum.least.map_or(*state, |least| least.min(*state)));
            }
            Err(error) => {
                sum.failed += 1;
                sum.failure = Some(error.to_string());
            }
        }
        outcome.map(drop)
    }

    fn confine(&self) -> Result<(LandlockState, Option<i32>), PrivilegeError> {
        let refused = |attempted: &str, cause| PrivilegeError::Refused {
            attempted: format!("{attempted} in a serving thread"),
            cause,
            remedy: "Allow the agent capset(2) and landlock_restrict_self(2)",
        };
        keep_only(CapabilitySet::empty()).map_err(|cause| refused("drop capabilities", cause))?;
        let rules = self.inner.rules.try_clone().map_err(|cause| refused("share rules", cause))?;
        let status = rules
            .restrict_self()
            .map_err(|error| refused("apply Landlock", io::Error::other(error.to_string())))?;
        let abi = match status.landlock {
            LandlockStatus::Available { effective_abi, kernel_abi } => {
                Some(kernel_abi.unwrap_or(effective_abi as i32))
            }
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
        };
        Ok((enforced(status.ruleset, "Landlock, when the thread opens /")?, abi))
    }

    /// The state of the threads confined so far.
    #[must_use]
    pub fn serving(&self) -> Serving {
        let sum = self.inner.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        Serving {
            abi: sum.abi,
            // A thread that could not be confined has the weakest state.
            landlock: sum.least.filter(|_| sum.failed == 0).unwrap_or_default(),
            confined: sum.confined,
            failed: sum.failed,
            failure: sum.failure.clone(),
        }
    }
}

/// How much the kernel enforces of rules that allow no access to `/`, read back by an attempt, as no file shows the domain.
/// `what` names the attempt.
pub(crate) fn enforced(
    ruleset: RulesetStatus,
    what: &'static str,
) -> Result<LandlockState, PrivilegeError> {
    let state = match ruleset {
        RulesetStatus::FullyEnforced => LandlockState::FullyEnforced,
        RulesetStatus::PartiallyEnforced => LandlockState::PartlyEnforced,
        RulesetStatus::NotEnforced => return Ok(LandlockState::NotEnforced),
    };
    match File::open("/") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(state),
        found => Err(PrivilegeError::NotApplied {
            what,
            expected: "refused".to_owned(),
            found: found.map_or_else(|error| error.to_string(), |_| "opened".to_owned()),
        }),
    }
}

fn rules(keep: &Keep) -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        // Not signals: before Linux 6.15 that also separates threads of one process.
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        // `/health` reports the threads from `/proc`. Without capabilities it has only public entries.
        .add_rules(path_beneath_rules(["/proc"], AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(&keep.readable, AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(&keep.writable, AccessFs::RemoveFile))
}

/// The state of the process as a whole.
pub(crate) fn of_process() -> Landlock {
    Landlock {
        process: LandlockState::NotEnforced,
        reason: "the thread that reads /proc can access files as its user and capabilities allow: \
                 Landlock would hide the sockets of other processes from it, regardless of its \
                 capabilities"
            .to_owned(),
        serving: Serving::default(),
    }
}
