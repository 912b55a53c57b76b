//! What this process can hold at the same time, by the number of file descriptors it may have.

/// What this process can hold at once, by the number of file descriptors it may have.
///
/// Not only the listeners' connections take descriptors. Each call of a function to an endpoint takes one, the embedded
/// engine's side of that call another, and the engine's files a few more. So half of the descriptors stay free for those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Connections to the API.
    pub api: usize,
    /// Connections to the embedded engine's endpoint, including the functions' own.
    pub engine: usize,
    /// Requests that functions process at the same time. Further requests wait.
    pub invocations: usize,
}

impl Ceilings {
    /// Raises the soft limit on descriptors to the hard limit and returns the ceilings under it.
    #[must_use]
    pub fn of_process() -> Self {
        Self::under(raise_descriptor_limit())
    }

    /// Returns the ceilings under a limit of `descriptors`.
    #[must_use]
    pub fn under(descriptors: u64) -> Self {
        let share = |part: u64, least: usize, most: usize| {
            usize::try_from(descriptors / part)
                .unwrap_or(usize::MAX)
                .clamp(least, most)
        };
        Self {
            // Each takes about 60 KB at most.
            api: share(4, 16, 512),
            engine: share(8, 16, 4096),
            invocations: share(16, 8, 256),
        }
    }
}

/// Raises the soft limit on this process's file descriptors to the hard limit. Returns the limit now in force.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// The highest soft limit that macOS accepts, whatever its hard limit is (`OPEN_MAX`).
    const EVERYWHERE: u64 = 10_240;

    let hard = getrlimit(Resource::Nofile).maximum;
    // `None` means no limit. A system without a hard limit may still refuse a soft limit of `None`.
    for current in [hard, Some(EVERYWHERE)] {
        let now = getrlimit(Resource::Nofile).current;
        if now.is_none() || current.is_some_and(|current| now >= Some(current)) {
            break;
        }
        let raised = Rlimit {
            current,
            maximum: hard,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Returns the number of sockets assumed to be available, since this system sets no limit on descriptors.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> u64 {
    8192
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_half_of_the_descriptors_for_all_else() {
        for descriptors in [256, 1024, 4096, 20_000, 1 << 20, u64::MAX] {
            let ceilings = Ceilings::under(descriptors);
            assert!(
                (ceilings.api + ceilings.engine) as u64 <= descriptors / 2,
                "{descriptors}: {ceilings:?}"
            );
            assert!(ceilings.api >= 16 && ceilings.invocations >= 8);
        }
        assert_eq!(
            Ceilings::under(1024),
            Ceilings {
                api: 256,
                engine: 128,
                invocations: 64
            }
        );
        assert!(Ceilings::under(u64::MAX).api <= 512);
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        use rustix::process::{Resource, getrlimit};

        let limit = raise_descriptor_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current.unwrap_or(u64::MAX), limit);
        assert!(now.current == now.maximum || limit >= 10_240, "{now:?}");
    }
}
