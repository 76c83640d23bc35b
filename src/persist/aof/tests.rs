//! One file under crashes, cuts and flips: what was acknowledged is found again, and nothing that was never written.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum;
use super::load::{LoadError, reopen, settle};
use super::names::Names;
use super::read::{LogReader, Stop, Verdict};
use super::status::{Orders, Status};
use super::writer::{OpenLog, Writer};
use crate::base::rng::Rng;
use crate::config::{AppendFsync, Config, Startup, Store};
use crate::journal::{Journal, Release};
use crate::keyspace::{DbIndex, JournalOffset};
use crate::persist::storage::{Failing, Fault, Operation, Simulated, Storage};
use crate::resp::{Args, OwnedArgs};

const PATH: &str = "aof/log";

fn config(options: &[&str]) -> Arc<Config> {
    let startup = Startup::from_args(options.iter().map(std::ffi::OsString::from)).expect("options");
    Store::load(startup).expect("configuration").snapshot()
}

/// Words of a command, joined.
fn words(args: &Args<'_>) -> String {
    args.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// A writer that is turned by hand, and what it was given.
struct Bench {
    storage: Arc<dyn Storage>,
    journal: Journal,
    orders: Arc<Orders>,
    status: Arc<Status>,
    writer: Writer,
    now_ns: Cell<u64>,
    /// Commands of each commit, and the offset behind it.
    commits: Vec<(Vec<String>, JournalOffset)>,
}

impl Bench {
    fn new(storage: Arc<dyn Storage>, policy: AppendFsync) -> Bench {
        let file = storage.create(Path::new(PATH)).expect("create");
        storage.sync_dir(Path::new("aof")).expect("sync");
        Bench::on(storage, policy, OpenLog::open(file, PATH.into(), 0, false, true, None).expect("sync"))
    }

    fn on(storage: Arc<dyn Storage>, policy: AppendFsync, log: OpenLog) -> Bench {
        let (orders, status) = (Arc::new(Orders::default()), Arc::new(Status::new()));
        orders.begin(1);
        orders.change(|settings| settings.fsync = policy);
        let writer = Writer::new(log, 1, true, Arc::clone(&orders), Arc::clone(&status));
        let journal = Journal::new();
        journal.switch(true);
        if policy == AppendFsync::Always {
            journal.set_release(Release::Durable);
        }
        Bench { storage, journal, orders, status, writer, now_ns: Cell::new(1), commits: Vec::new() }
    }

    fn commit(&mut self, lines: &[String]) {
        let owned: Vec<OwnedArgs> =
            lines.iter().map(|line| OwnedArgs::from_slices(line.split(' ').map(str::as_bytes))).collect();
        let commands: Vec<_> = owned.iter().map(|args| (DbIndex(0), args.as_args())).collect();
        let offset = self.journal.append(&commands, &[], &[]).expect("the journal is on");
        self.commits.push((lines.to_vec(), offset));
    }

    fn turn(&mut self) {
        let clock = || {
            self.now_ns.set(self.now_ns.get() + 300_000);
            self.now_ns.get()
        };
        self.writer.turn(&self.journal, &clock, 1_700_000_000);
    }

    /// Turns until the writer has taken everything.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.turn();
        }
    }

    /// Commits whose replies have left.
    fn acknowledged(&self) -> usize {
        let durable = self.journal.durable();
        self.commits.iter().filter(|(_, offset)| *offset <= durable).count()
    }
}

fn read(storage: &dyn Storage, path: &Path) -> (Vec<String>, Verdict) {
    let mut found = Vec::new();
    let mut reader = storage.open(path).expect("open");
    let verdict = LogReader::new(&mut *reader, 0)
        .read::<std::io::Error>(&mut |args: Args<'_>, _: u64| {
            found.push(words(&args));
            Ok(())
        })
        .expect("the disk works");
    (found.into_iter().filter(|line| !line.starts_with("SELECT")).collect(), verdict)
}

/// Recovers as a start does.
fn recover(storage: &dyn Storage, config: &Config) -> Result<(Vec<String>, u64, bool), LoadError> {
    let names = Names::new(PathBuf::new(), config);
    let (found, verdict) = read(storage, Path::new(PATH));
    let len = settle(storage, &names, Path::new(PATH), &verdict, true, config)?;
    Ok((found, len, verdict.is_covered && len > 0))
}

/// `found` must be the commands of the first so many commits, at least of those acknowledged, and no half of one.
fn check_prefix(commits: &[Vec<String>], acknowledged: usize, found: &[String]) -> Result<usize, String> {
    let mut at = 0;
    for (index, commit) in commits.iter().enumerate() {
        if at == found.len() {
            return if index >= acknowledged {
                Ok(index)
            } else {
                Err(format!("{} of {acknowledged} acknowledged commits found", index))
            };
        }
        if found.get(at..at + commit.len()) != Some(commit.as_slice()) {
            return Err(format!("commit {index} is not what was written, or half of it"));
        }
        at += commit.len();
    }
    if at == found.len() { Ok(commits.len()) } else { Err("more found than was ever written".into()) }
}

fn random_commit(rng: &mut Rng, number: usize) -> Vec<String> {
    let count = if rng.below(4) == 0 { 2 + rng.index(3) } else { 1 };
    let command = |part: usize, rng: &mut Rng| {
        let len = if rng.below(5) == 0 { rng.index(6000) } else { rng.index(60) };
        format!("SET k{number}.{part} {}", "v".repeat(len + 1))
    };
    (0..count).map(|part| command(part, rng)).collect()
}

/// One life, a crash, a second life on what was left, another crash.
fn crash_twice(seed: u64, config: &Config) -> Result<(), String> {
    let mut rng = Rng::from_seed(seed);
    let policy = if rng.below(4) == 0 { AppendFsync::Everysec } else { AppendFsync::Always };
    let disk = Simulated::new();
    let mut bench = Bench::new(Arc::new(disk.clone()), policy);
    let mut commits: Vec<Vec<String>> = Vec::new();
    for life in 0..2u64 {
        let before = commits.len();
        let stop_at_operation = rng.below(2) == 0;
        if stop_at_operation {
            disk.crash_after(rng.below(12));
        }
        for _ in 0..1 + rng.index(12) {
            for _ in 0..rng.index(4) {
                let commit = random_commit(&mut rng, commits.len());
                bench.commit(&commit);
                commits.push(commit);
            }
            if rng.below(3) > 0 {
                bench.turn();
            }
            if rng.below(8) == 0 {
                bench.now_ns.set(bench.now_ns.get() + 1_000_000_000);
            }
        }
        let acknowledged = before + bench.acknowledged();
        disk.crash(seed * 2 + life);
        let recovered = recover(&disk, config);
        let (found, len, is_covered) = recovered.map_err(|error| format!("refused to start: {error}"))?;
        let kept = check_prefix(&commits, acknowledged, &found)?;
        commits.truncate(kept);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let log = reopen(&*storage, PATH.into(), len, is_covered, true).map_err(|error| error.to_string())?;
        bench = Bench::on(storage, policy, log);
    }
    Ok(())
}

#[test]
fn ten_thousand_crashes_lose_nothing_acknowledged() {
    let config = config(&[]);
    for seed in 0..10_000 {
        if let Err(what) = crash_twice(seed, &config) {
            panic!("seed {seed}: {what}");
        }
    }
}

/// A file of several blocks and a transaction, all synced, and sealed.
fn sealed() -> (Simulated, Vec<Vec<String>>) {
    let disk = Simulated::new();
    let mut bench = Bench::new(Arc::new(disk.clone()), AppendFsync::Always);
    let mut commits = Vec::new();
    for round in 0..6 {
        for part in 0..=round % 3 {
            let lines: Vec<String> =
                (0..=part).map(|line| format!("SET k{round}.{part}.{line} value")).collect();
            bench.commit(&lines);
            commits.push(lines);
        }
        bench.settle();
    }
    let clock = || 10_000_000_000;
    bench.writer.finish(&bench.journal, &clock, 1_700_000_000).expect("the disk works");
    (disk, commits)
}

#[test]
fn cut_at_every_byte_the_longest_whole_prefix_is_found() {
    let config = config(&[]);
    let (disk, commits) = sealed();
    let whole = disk.bytes(Path::new(PATH)).unwrap();
    // Where each commit ends in the file: its last command's last byte.
    let ends: Vec<usize> = commits
        .iter()
        .map(|commit| {
            let last = format!("{}\r\n$5\r\nvalue\r\n", commit.last().unwrap().split(' ').nth(1).unwrap());
            let at = memchr::memmem::find(&whole, last.as_bytes()).unwrap() + last.len();
            if commit.len() > 1 { at + b"*1\r\n$4\r\nEXEC\r\n".len() } else { at }
        })
        .collect();
    for len in 0..=whole.len() {
        disk.put(Path::new(PATH), &whole[..len]);
        let (found, kept, _) = recover(&disk, &config).unwrap_or_else(|error| panic!("{len}: {error}"));
        let expected = ends.iter().filter(|&&end| end <= len).count();
        assert_eq!(check_prefix(&commits, expected, &found), Ok(expected), "cut at {len}");
        assert!(kept <= len as u64);
        // And once more: what was cut stays cut.
        let (again, kept_again, _) = recover(&disk, &config).unwrap();
        assert_eq!((again, kept_again), (found, kept), "cut at {len}");
    }
}

#[test]
fn a_cut_file_is_refused_when_that_is_wanted() {
    let config = config(&["--aof-load-truncated", "no"]);
    let (disk, _) = sealed();
    let whole = disk.bytes(Path::new(PATH)).unwrap();
    disk.put(Path::new(PATH), &whole[..whole.len() - 40]);
    assert!(matches!(recover(&disk, &config), Err(LoadError::CutOff { .. })));
}

#[test]
fn every_flipped_bit_of_a_synced_file_is_found_and_refused() {
    let config = config(&[]);
    let (disk, commits) = sealed();
    let whole = disk.bytes(Path::new(PATH)).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            disk.put(Path::new(PATH), &changed);
            match recover(&disk, &config) {
                Err(LoadError::Broken { .. }) => {}
                Err(other) => panic!("byte {at}, bit {bit}: {other}"),
                Ok((found, ..)) => {
                    // Only the last line, which says that all before it is synced, can be taken for a torn end.
                    let count = commits.len();
                    assert_eq!(check_prefix(&commits, count, &found), Ok(count), "byte {at}, bit {bit}");
                    assert!(at >= whole.len() - 26, "byte {at}, bit {bit} of {}", whole.len());
                }
            }
        }
    }
}

#[test]
fn zeros_and_garbage_behind_the_end_go_into_a_side_file() {
    let config = config(&[]);
    let (disk, commits) = sealed();
    let whole = disk.bytes(Path::new(PATH)).unwrap();
    for tail in
        [vec![0; 5000], b"garbage\r\n".repeat(300), b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n".to_vec()]
    {
        disk.put(Path::new(PATH), &[whole.as_slice(), &tail].concat());
        let (found, len, _) = recover(&disk, &config).unwrap();
        assert_eq!(check_prefix(&commits, commits.len(), &found), Ok(commits.len()));
        assert_eq!(len, whole.len() as u64);
        let side = format!("{PATH}.dropped-{}", whole.len());
        assert_eq!(disk.bytes(Path::new(&side)), Some(tail));
    }
}

#[test]
fn a_file_without_checksums_loses_a_bad_end_only_up_to_the_option() {
    let disk = Simulated::new();
    let text = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n".to_vec();
    disk.put(Path::new(PATH), &[text.as_slice(), &[0; 100]].concat());
    assert!(matches!(recover(&disk, &config(&[])), Err(LoadError::Broken { offset: 27, .. })));
    let config = config(&["--aof-load-corrupt-tail-max-size", "100"]);
    assert_eq!(recover(&disk, &config).unwrap().1, 27);
    disk.put(Path::new(PATH), &[text.as_slice(), &[0; 101]].concat());
    assert!(recover(&disk, &config).is_err());
}

#[test]
fn group_commit_makes_two_groups_one() {
    let mut bench = Bench::new(Arc::new(Simulated::new()), AppendFsync::Always);
    let commit = |bench: &mut Bench, count: usize| {
        for _ in 0..count {
            bench.commit(&["SET k v".into()]);
        }
    };
    // Twenty-five are released while another twenty-five wait: the next sync waits for all.
    commit(&mut bench, 25);
    bench.turn();
    let syncs = bench.status.syncs.load(std::sync::atomic::Ordering::Relaxed);
    commit(&mut bench, 25);
    bench.turn();
    commit(&mut bench, 25);
    bench.turn();
    bench.settle();
    assert_eq!(bench.acknowledged(), 75);
    assert!(bench.status.syncs.load(std::sync::atomic::Ordering::Relaxed) <= syncs + 2);
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_what_it_could_not_write() {
    let disk = Failing::new(Arc::new(Simulated::new()));
    let mut bench = Bench::new(Arc::new(disk.clone()), AppendFsync::Always);
    bench.commit(&["SET a 1".into()]);
    bench.settle();
    disk.fail(Fault::at(Operation::Write, "log").with(libc::ENOSPC));
    bench.commit(&["SET b 2".into()]);
    bench.settle();
    assert_eq!(bench.acknowledged(), 1);
    assert_eq!(bench.journal.refusal().as_deref().map(String::as_str), Some("No space left on device"));
    disk.heal();
    bench.now_ns.set(bench.now_ns.get() + 1_000_000_000);
    bench.settle();
    assert_eq!((bench.acknowledged(), bench.journal.is_refusing()), (2, false));
    assert_eq!(read(&disk, Path::new(PATH)).0, ["SET a 1", "SET b 2"]);
}

#[test]
fn short_writes_are_completed() {
    let disk = Failing::new(Arc::new(Simulated::new()));
    disk.fail(Fault::at(Operation::Write, "log").short(1));
    let mut bench = Bench::new(Arc::new(disk.clone()), AppendFsync::Always);
    for number in 0..5 {
        bench.commit(&[format!("SET k{number} value")]);
        bench.settle();
    }
    assert_eq!(bench.acknowledged(), 5);
    assert_eq!(read(&disk, Path::new(PATH)).1.stop, Stop::End);
}

#[test]
fn after_a_failed_sync_the_file_is_never_trusted_again() {
    let disk = Failing::new(Arc::new(Simulated::new()));
    let mut bench = Bench::new(Arc::new(disk.clone()), AppendFsync::Always);
    bench.commit(&["SET a 1".into()]);
    bench.settle();
    disk.fail(Fault::at(Operation::Sync, "log").times(1));
    bench.commit(&["SET b 2".into()]);
    bench.settle();
    assert!(bench.journal.is_refusing() && bench.orders.poison().is_some());
    // The disk works again, and yet nothing more is called durable.
    bench.now_ns.set(bench.now_ns.get() + 10_000_000_000);
    bench.settle();
    assert_eq!((bench.acknowledged(), bench.journal.is_refusing()), (1, true));
    // A new base covers everything up to the cut, and the new file what comes after.
    let file = bench.storage.create(Path::new("aof/next")).unwrap();
    bench.orders.hand_over(2, OpenLog::open(file, "aof/next".into(), 0, false, true, None).unwrap());
    let offset = bench.journal.cut(2);
    bench.settle();
    bench.commit(&["SET c 3".into()]);
    bench.settle();
    assert_eq!(bench.acknowledged(), 1, "the base is not complete");
    bench.orders.vouch(2, offset.0);
    bench.settle();
    assert_eq!((bench.acknowledged(), bench.journal.is_refusing()), (3, false));
    assert_eq!(read(&disk, Path::new("aof/next")).0, ["SET c 3"]);
}

#[test]
fn once_a_second_means_a_second() {
    let mut bench = Bench::new(Arc::new(Simulated::new()), AppendFsync::Everysec);
    bench.now_ns.set(5_000_000_000);
    bench.commit(&["SET a 1".into()]);
    bench.turn();
    assert_eq!(bench.acknowledged(), 1, "the first sync is due at once");
    bench.commit(&["SET b 2".into()]);
    bench.turn();
    assert_eq!(bench.acknowledged(), 1);
    bench.now_ns.set(bench.now_ns.get() + 1_000_000_000);
    bench.turn();
    assert_eq!(bench.acknowledged(), 2);
}

#[test]
fn what_is_much_is_synced_before_the_second_is_over() {
    let mut bench = Bench::new(Arc::new(Simulated::new()), AppendFsync::Everysec);
    bench.now_ns.set(5_000_000_000);
    bench.commit(&["SET a 1".into()]);
    bench.turn();
    assert_eq!(bench.acknowledged(), 1);
    for number in 0..9 {
        bench.commit(&[format!("SET k{number} {}", "x".repeat(1 << 20))]);
    }
    bench.settle();
    assert_eq!(bench.acknowledged(), 10);
    bench.commit(&["SET b 2".into()]);
    bench.settle();
    assert_eq!(bench.acknowledged(), 10);
}

/// Blocks end where commits do, but a file from elsewhere may hold others under right checksums: what stays of such a block gets a
/// line of its own, so that the file can be written on.
#[test]
fn a_whole_block_that_ends_inside_a_command_is_cut_with_its_line() {
    let disk = Simulated::new();
    let commands = b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    for at in 15..commands.len() {
        for second in [b"".as_slice(), &commands[at..]] {
            let mut file = checksum::start_line(0);
            for block in [&commands[..at], second] {
                let line = checksum::block_line(file.len() as u64, 0, &[block]);
                file.extend_from_slice(&line);
                file.extend_from_slice(block);
            }
            let path = Path::new(PATH);
            disk.create(path).expect("create").write_all(&file).expect("written");
            let (found, verdict) = read(&disk, path);
            assert_eq!(found.len(), 1, "at {at}");
            super::load::cut(&disk, path, &verdict).expect("cut");
            let (again, verdict) = read(&disk, path);
            assert_eq!((again, verdict.stop), (found, Stop::End), "at {at}");
        }
    }
}
