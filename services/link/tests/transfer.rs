//! Two servers on loopback: files arrive as they were.

#![allow(clippy::unwrap_used, reason = "tests panic")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, Instant};

use common::{
    Scratch, bytes, destination, ended, manifest, names, new_transfer, queue, send, until,
};
use conns_link::Server;
use conns_transfer::control::{Control, Page, TransferChange};
use conns_transfer::record::{NewTransfer, Overwrite, TransferRecord, TransferStatus};

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_files_arrives_as_it_is() {
    let scratch = Scratch::new("tree");
    let tree = scratch.source().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::create_dir_all(tree.join("empty")).unwrap();
    fs::write(tree.join("long"), bytes(5_000_001, 1)).unwrap();
    fs::write(tree.join("exact"), bytes(2 << 20, 2)).unwrap();
    fs::write(tree.join("nothing"), b"").unwrap();
    for index in 0..300 {
        fs::write(tree.join(format!("a/b/{index}")), bytes(index * 17, 3)).unwrap();
    }
    fs::hard_link(tree.join("long"), tree.join("a/long")).unwrap();
    symlink("/etc/passwd", tree.join("link")).unwrap();
    use std::os::unix::ffi::OsStrExt as _;
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    fs::write(tree.join(name), b"a name that is not UTF-8").unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (40 << 20) + 5).unwrap();
    drop(sparse);
    fs::set_permissions(tree.join("exact"), fs::Permissions::from_mode(0o4751)).unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let record = send(&sender, &receiver, &tree, "copy").await;
    assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
    assert_eq!(record.bytes_durable, record.total_bytes.unwrap());
    let copy = scratch.target().join("copy");
    for name in ["long", "exact", "nothing", "sparse", "a/long", "a/b/0", "a/b/299"] {
        let (source, target) = (tree.join(name), copy.join(name));
        assert!(fs::read(&source).unwrap() == fs::read(&target).unwrap(), "{name}");
        let (of, copied) = (source.metadata().unwrap(), target.metadata().unwrap());
        assert_eq!((of.mtime(), of.mtime_nsec()), (copied.mtime(), copied.mtime_nsec()), "{name}");
        assert_eq!(of.mode() & 0o777, copied.mode() & 0o7777, "{name}");
    }
    assert_eq!(fs::read(copy.join(name)).unwrap(), b"a name that is not UTF-8");
    assert!(copy.join("empty").is_dir());
    assert!(copy.join("sparse").metadata().unwrap().blocks() < 1000);
    let mut expected = names(&tree);
    expected.retain(|name| name != "link");
    assert_eq!(names(&copy), expected);
    let manifest = sender.manifest(&record.manifest_id).unwrap();
    assert_eq!(manifest.error_message.as_deref(), Some("1 symbolic links are not sent"));
    assert_eq!(sender.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_target_is_replaced_only_if_allowed() {
    let scratch = Scratch::new("overwrite");
    let source = scratch.source().join("file");
    fs::write(&source, b"new").unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let destination = destination(&sender, &receiver);
    let manifest = manifest(&sender, &source, "file").await;
    let target = scratch.target().join("file");
    for (overwrite, before, after) in [
        (Overwrite::Never, "old", "old"),
        (Overwrite::Same, "older", "older"),
        (Overwrite::Same, "old", "new"),
        (Overwrite::Same, "", "new"),
        (Overwrite::Always, "older", "new"),
    ] {
        fs::write(&target, before).unwrap();
        let id = queue(&sender, &manifest, &destination, overwrite);
        let record = ended(&sender, &id).await;
        assert_eq!(fs::read_to_string(&target).unwrap(), after, "{overwrite:?} {record:#?}");
        let status = if before == after { TransferStatus::Error } else { TransferStatus::Complete };
        assert_eq!(record.status, status, "{overwrite:?} {record:#?}");
        assert_eq!(names(&scratch.target()), ["file"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_pauses_resumes_and_is_cancelled() {
    let scratch = Scratch::new("pause");
    let source = scratch.source().join("file");
    fs::write(&source, bytes(30 << 20, 4)).unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let destination = destination(&sender, &receiver);
    sender
        .set_send_rate(conns_transfer::record::RateChange {
            destination_id: destination.clone(),
            send_rate_kbit_per_s: None,
            send_rate_min_kbit_per_s: None,
            send_rate_max_kbit_per_s: Some(std::num::NonZeroU64::new(50_000)),
            rate_control_method: None,
        })
        .unwrap();
    let manifest = manifest(&sender, &source, "file").await;
    let id = queue(&sender, &manifest, &destination, Overwrite::Never);
    until(&sender, &id, |record| record.bytes_durable > 0).await;
    let paused = sender.change_transfer(&id, TransferChange::Suspend).unwrap();
    assert_eq!(paused.status, TransferStatus::Suspended);
    let other = queue(&sender, &manifest, &destination, Overwrite::Always);
    until(&sender, &other, |record| record.bytes_durable > 0).await;
    sender.change_transfer(&other, TransferChange::Cancel).unwrap();
    assert_eq!(ended(&sender, &other).await.status, TransferStatus::Cancelled);
    assert!(sender.change_transfer(&other, TransferChange::Resume).is_err());
    sender.change_transfer(&id, TransferChange::Resume).unwrap();
    let record = ended(&sender, &id).await;
    assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
    assert!(fs::read(&source).unwrap() == fs::read(scratch.target().join("file")).unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while names(&scratch.target()) != ["file"] {
        assert!(Instant::now() < deadline, "{:?}", names(&scratch.target()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_restarts_is_sent_the_rest() {
    let scratch = Scratch::new("restart");
    let source = scratch.source().join("file");
    fs::write(&source, bytes(40 << 20, 5)).unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let address = receiver.receiver_address().unwrap();
    let destination = destination(&sender, &receiver);
    sender
        .set_send_rate(conns_transfer::record::RateChange {
            destination_id: destination.clone(),
            send_rate_kbit_per_s: std::num::NonZeroU64::new(80_000),
            send_rate_min_kbit_per_s: None,
            send_rate_max_kbit_per_s: None,
            rate_control_method: None,
        })
        .unwrap();
    let manifest = manifest(&sender, &source, "file").await;
    let id = queue(&sender, &manifest, &destination, Overwrite::Never);
    until(&sender, &id, |record| record.bytes_durable > 0).await;
    let before = sender.connections().remove(0);
    receiver.stop().await;
    drop(receiver);
    until(&sender, &id, |record| record.status == TransferStatus::Retrying).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let receiver = loop {
        let started = std::panic::catch_unwind(|| scratch.receiver_at("receiver", address));
        match started {
            Ok(receiver) => break receiver,
            Err(_) => assert!(Instant::now() < deadline),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let record = ended(&sender, &id).await;
    assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
    assert!(fs::read(&source).unwrap() == fs::read(scratch.target().join("file")).unwrap());
    // At most what was not durable yet was sent twice.
    assert!(record.bytes_sent <= (40 << 20) + (20 << 20), "{record:#?}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let after = sender.connections().remove(0);
    assert_ne!(before.last_destination_server_id, after.last_destination_server_id);
    assert_eq!(before.last_destination_server_uid, after.last_destination_server_uid);
    drop(receiver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_removed_and_made_again_receives() {
    let scratch = Scratch::new("removed-folder");
    let source = scratch.source().join("file");
    fs::write(&source, bytes(100_000, 6)).unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    fs::remove_dir(scratch.target()).unwrap();
    let record = send(&sender, &receiver, &source, "lost").await;
    assert_eq!(record.status, TransferStatus::Error, "{record:#?}");
    assert!(record.error_message.unwrap().contains("No such file or directory"));
    fs::create_dir(scratch.target()).unwrap();
    let record = send(&sender, &receiver, &source, "file").await;
    assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
    assert_eq!(names(&scratch.target()), ["file"]);
}

/// Waits until a transfer has ended, and does not read its end as a client that waits for it does.
async fn ended_unread(sender: &Server, id: &str) -> TransferRecord {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let all = sender.transfers(&Page::default()).unwrap();
        let record = all.into_iter().find(|record| record.transfer_id == id).unwrap();
        if !record.processing {
            return record;
        }
        assert!(Instant::now() < deadline, "{record:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_transfer_whose_end_was_not_read_is_not_sent_again() {
    let scratch = Scratch::new("repeated");
    let source = scratch.source().join("file");
    fs::write(&source, bytes(100_000, 7)).unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let destination = destination(&sender, &receiver);
    let sent_by_client = async || {
        let manifest = manifest(&sender, &source, "file").await;
        let new = new_transfer(&manifest, &destination, Overwrite::Never);
        sender.create_transfer(NewTransfer { awaited: true, ..new }).unwrap()
    };
    let first = sent_by_client().await.transfer_id;
    assert_eq!(ended_unread(&sender, &first).await.status, TransferStatus::Complete);
    // The client was killed before it read the end.
    let repeated = sent_by_client().await;
    assert_eq!((&repeated.transfer_id, repeated.status), (&first, TransferStatus::Complete));
    // It reads the end. Another client sends the file again, and the target exists.
    assert_eq!(sender.transfer(&first).unwrap().status, TransferStatus::Complete);
    let again = sent_by_client().await.transfer_id;
    assert_ne!(again, first);
    let record = ended_unread(&sender, &again).await;
    assert!(record.error_message.unwrap().contains("exists"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_since_it_was_committed_is_sent() {
    let scratch = Scratch::new("repeated-changed");
    let source = scratch.source().join("file");
    fs::write(&source, b"old").unwrap();
    let (sender, receiver) = (scratch.sender("sender"), scratch.receiver("receiver"));
    let destination = destination(&sender, &receiver);
    let mut ids = Vec::new();
    for content in ["old", "newer"] {
        fs::write(&source, content).unwrap();
        let manifest = manifest(&sender, &source, "file").await;
        let new = new_transfer(&manifest, &destination, Overwrite::Always);
        let new = NewTransfer { awaited: true, ..new };
        ids.push(sender.create_transfer(new).unwrap().transfer_id);
        let record = ended_unread(&sender, ids.last().unwrap()).await;
        assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
        assert_eq!(fs::read_to_string(scratch.target().join("file")).unwrap(), content);
    }
    assert_ne!(ids[0], ids[1]);
}
