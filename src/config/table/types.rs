//! Options of the compact encodings of values.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! types_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Types;
/// The most fields of a hash in its compact form.
hash_max_listpack_entries: u64 = "hash-max-listpack-entries" ["hash-max-ziplist-entries"], LONG, "512", MUTABLE, Acts;
/// The longest field or value of a hash in its compact form, in bytes.
hash_max_listpack_value: u64 = "hash-max-listpack-value" ["hash-max-ziplist-value"], memory(0), "64", MUTABLE, Acts;
/// The size of a list's nodes: a number of elements, or -1 to -5 for 4, 8, 16, 32, 64 kb.
list_max_listpack_size: i32 = "list-max-listpack-size" ["list-max-ziplist-size"], int(i32::MIN as i64, i32::MAX as i64), "-2",
    MUTABLE, Acts;
/// How many nodes at each end of a list stay uncompressed; 0 compresses none.
list_compress_depth: u32 = "list-compress-depth" [], COUNT, "0", MUTABLE, Accepted("nodes of a list are never compressed");
/// The most members of a set of integers in its compact form.
set_max_intset_entries: u64 = "set-max-intset-entries" [], LONG, "512", MUTABLE, Acts;
/// The most members of any other set in its compact form.
set_max_listpack_entries: u64 = "set-max-listpack-entries" [], LONG, "128", MUTABLE, Acts;
/// The longest member of a set in its compact form, in bytes.
set_max_listpack_value: u64 = "set-max-listpack-value" [], LONG, "64", MUTABLE, Acts;
/// The most members of a sorted set in its compact form.
zset_max_listpack_entries: u64 = "zset-max-listpack-entries" ["zset-max-ziplist-entries"], LONG, "128", MUTABLE, Acts;
/// The longest member of a sorted set in its compact form, in bytes.
zset_max_listpack_value: u64 = "zset-max-listpack-value" ["zset-max-ziplist-value"], memory(0), "64", MUTABLE, Acts;
/// The biggest sparse form of a HyperLogLog, in bytes.
hll_sparse_max_bytes: u64 = "hll-sparse-max-bytes" [], memory(0), "3000", MUTABLE, Acts;
/// The biggest node of a stream, in bytes; 0 is no limit.
stream_node_max_bytes: u64 = "stream-node-max-bytes" [], memory(0), "4096", MUTABLE, Acts;
/// The most entries of a stream's node; 0 is no limit.
stream_node_max_entries: u64 = "stream-node-max-entries" [], LONG, "100", MUTABLE, Acts;
    } } };
}
