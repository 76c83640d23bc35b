//! The three disks agree where nothing fails, and the simulated one loses exactly what it may.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Failing, Fault, Operation, Real, Simulated, Storage};

fn text(disk: &dyn Storage, path: &Path) -> Option<String> {
    let mut text = String::new();
    disk.open(path).ok()?.read_to_string(&mut text).ok()?;
    Some(text)
}

fn exercise(disk: &dyn Storage, root: &Path) {
    let folder = root.join("folder");
    disk.create_dir(&folder).unwrap();
    disk.create_dir(&folder).unwrap();
    let (one, other) = (folder.join("one"), folder.join("other"));
    let mut file = disk.create(&one).unwrap();
    file.write_all(b"hello world").unwrap();
    file.truncate(5).unwrap();
    file.write_all(b"!").unwrap();
    file.sync().unwrap();
    drop(file);
    disk.append(&one).unwrap().write_all(b"?").unwrap();
    assert_eq!(text(disk, &one).as_deref(), Some("hello!?"));
    assert_eq!(disk.len(&one).unwrap(), 7);
    disk.rename(&one, &other).unwrap();
    disk.sync_dir(&folder).unwrap();
    assert_eq!(disk.list(&folder).unwrap(), ["other"]);
    disk.replace(&other, &folder.join("temporary"), b"new").unwrap();
    assert_eq!(disk.read(&other, 3).unwrap(), b"new");
    assert!(disk.read(&other, 2).is_err());
    assert_eq!(disk.list(&folder).unwrap(), ["other"]);
    disk.remove(&other).unwrap();
    assert!(!disk.exists(&other) && disk.open(&other).is_err() && disk.remove(&other).is_err());
    assert!(disk.list(&root.join("nowhere")).is_err());
    assert!(disk.free_bytes(&folder).unwrap() > 0);
}

#[test]
fn all_disks_agree() {
    let root = tempfile::tempdir().unwrap();
    exercise(&Real, root.path());
    exercise(&Simulated::new(), &PathBuf::from("somewhere"));
    exercise(&Failing::new(Arc::new(Simulated::new())), &PathBuf::from("somewhere"));
}

#[test]
fn a_crash_keeps_what_was_synced_and_some_of_the_rest() {
    let path = Path::new("d/file");
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let disk = Simulated::new();
        let mut file = disk.create(path).unwrap();
        file.write_all(b"synced").unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("d")).unwrap();
        file.write_all(&[b'x'; 3000]).unwrap();
        disk.crash(seed);
        assert!(file.write_all(b"from before").is_err(), "handles die with the system");
        let bytes = disk.bytes(path).expect("its name was synced");
        assert!(bytes.starts_with(b"synced"));
        match bytes.iter().filter(|&&byte| byte == b'x').count() {
            0 => lost += 1,
            3000 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(lost > 10 && kept > 10 && torn > 10, "{lost} {kept} {torn}");
}

#[test]
fn a_name_is_only_certain_when_its_folder_was_synced() {
    let (old, new) = (Path::new("d/old"), Path::new("d/new"));
    let (mut renamed, mut not) = (0, 0);
    for seed in 0..50 {
        let disk = Simulated::new();
        disk.put(new, b"before");
        let mut file = disk.create(old).unwrap();
        file.write_all(b"after").unwrap();
        file.sync().unwrap();
        disk.rename(old, new).unwrap();
        disk.crash(seed);
        match disk.bytes(new).as_deref() {
            Some(b"after") => renamed += 1,
            Some(b"before") => not += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(renamed > 5 && not > 5, "{renamed} {not}");
}

#[test]
fn faults_hit_what_they_name_as_often_as_they_say() {
    let disk = Failing::new(Arc::new(Simulated::new()));
    disk.fail(Fault::at(Operation::Sync, "b").after(1).times(1).with(libc::ENOSPC));
    let mut a = disk.create(Path::new("d/a")).unwrap();
    let mut b = disk.create(Path::new("d/b")).unwrap();
    assert!(a.sync().is_ok() && b.sync().is_ok());
    assert_eq!(b.sync().unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert!(b.sync().is_ok());
    disk.fail(Fault::at(Operation::Write, "a").short(3));
    a.write_all(b"ten bytes!").unwrap();
    assert_eq!(disk.len(Path::new("d/a")).unwrap(), 10);
    disk.fail(Fault::any(""));
    assert!(b.write(b"x").is_err() && disk.remove(Path::new("d/a")).is_err());
    disk.heal();
    assert!(b.write(b"x").is_ok());
    assert_eq!(disk.operations(), 13);
}

#[test]
fn what_is_replaced_and_removed_keeps_its_other_names() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let long: Vec<u8> = (0..5 << 20).map(|at| (at >> 12) as u8).collect();
    let has_long = |name: &str| std::fs::read(at(name)).unwrap() == long;
    Real.create(&at("old")).unwrap().write_all(&long).unwrap();
    std::fs::hard_link(at("old"), at("kept")).unwrap();
    std::os::unix::fs::symlink("kept", at("pointer")).unwrap();
    for replaced in ["old", "pointer"] {
        Real.create(&at("new")).unwrap().write_all(b"new").unwrap();
        Real.rename(&at("new"), &at(replaced)).unwrap();
        assert_eq!(text(&Real, &at(replaced)).as_deref(), Some("new"));
        assert!(has_long("kept"));
    }
    std::fs::hard_link(at("kept"), at("another")).unwrap();
    Real.remove(&at("kept")).unwrap();
    assert!(has_long("another"));
    // Nobody writes to a pipe: to open it in the usual way would take for ever.
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    Real.rename(&at("another"), &at("pipe")).unwrap();
    assert!(has_long("pipe"));
}
