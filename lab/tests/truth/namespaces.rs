//! Several network namespaces: each under its name, also while others are removed.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;

use crate::fixture::{conns, peer, shows};

/// The same address and port in three namespaces are three sockets.
pub(crate) fn each_once() -> Result<()> {
    let namespaces =
        ["a", "b", "c"].map(Namespace::create).into_iter().collect::<Result<Vec<_>>>()?;
    let _peers = namespaces
        .iter()
        .map(|namespace| peer(namespace, "listen --at 127.0.0.1:7070 --do ignore"))
        .collect::<Result<Vec<_>>>()?;
    // Namespaces of other tests go while all are listed, which is reported as a part that could not be read.
    let rows = conns()?.readable_records(&["-l", "local_port == 7070"])?;
    for namespace in &namespaces {
        let fitting: Vec<_> = rows.iter().filter(|row| row["netns"] == namespace.name()).collect();
        ensure!(
            fitting.len() == 1,
            "the listener of {} is shown {} times: {rows:?}",
            namespace.name(),
            fitting.len()
        );
        shows(fitting[0], "netns_inode", namespace.inode()?)?;
    }
    let chosen =
        conns()?.records(&["-l", "--netns", namespaces[1].name(), "local_port == 7070"])?;
    ensure!(
        chosen.len() == 1 && chosen[0]["netns"] == namespaces[1].name(),
        "--netns shows {chosen:?}"
    );
    Ok(())
}

/// Namespaces with sockets are created and removed while conns lists all.
pub(crate) fn vanishing() -> Result<()> {
    let conns = conns()?;
    let stays = Namespace::create("stays")?;
    let _listener = peer(&stays, "listen --at 127.0.0.1:7071 --do ignore")?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| -> Result<u32> {
            let mut removed = 0;
            while !stop.load(Ordering::Relaxed) {
                let namespace = Namespace::create("removed")?;
                let listener = peer(&namespace, "listen --at 127.0.0.1:7072 --do ignore")?;
                drop(namespace);
                drop(listener);
                removed += 1;
            }
            Ok(removed)
        });
        let samples = (0..40).try_for_each(|sample| {
            let rows = conns
                .readable_records(&["-a", "local_port == 7071"])
                .with_context(|| format!("sample {sample}, while namespaces vanish"))?;
            let fitting = rows.iter().filter(|row| row["netns"] == stays.name()).count();
            ensure!(
                fitting == 1,
                "the socket of the namespace that stays is shown {fitting} times: {rows:?}"
            );
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        let removed = maker
            .join()
            .map_err(|_| anyhow::anyhow!("the thread that makes namespaces panicked"))??;
        samples?;
        ensure!(
            removed > 3,
            "only {removed} namespaces were made and removed, so this proved nothing"
        );
        Ok(())
    })
}
