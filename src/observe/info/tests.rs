//! A toy section through both back ends.

use super::*;

const VERSION: Field = Field::info("redis_version", "Version");
const CLIENTS: Field =
    Field::gauge("connected_clients", "Open connections").metric("redis_connected_clients");
const COMMANDS: Field = Field::counter("total_commands_processed", "Commands executed");
const RATIO: Field = Field::gauge("mem_fragmentation_ratio", "Resident over used memory");
const KEYS: Field = Field::gauge("keys", "Keys in a database").metric("redis_db_keys");
const USEC: Field =
    Field::counter("usec", "Time spent").metric("redis_commands_duration_seconds_total").scaled(1e-6);

fn toy(emitter: &mut dyn Emitter) {
    emitter.section("Server");
    emitter.field(&VERSION, Value::Text("7.4.0\r\nrole:master"));
    emitter.field(&CLIENTS, Value::Uint(3));
    emitter.section("Stats");
    emitter.field(&COMMANDS, Value::Int(-1));
    emitter.field(&RATIO, Value::Float { value: 1.5, decimals: 2 });
    for (db, keys) in [("db0", 7), ("db1\"", 8)] {
        let parts =
            [(KEYS, Value::Uint(keys)), (USEC, Value::Uint(1_500_000)), (VERSION, Value::Bytes(b"a\0b"))];
        emitter.row(RowName { prefix: "", label: "db", value: db }, &parts);
    }
}

#[test]
fn info_text_is_one_line_per_field_whatever_the_values() {
    let mut info = InfoText::new();
    toy(&mut info);
    let expected = "# Server\r\nredis_version:7.4.0??role:master\r\nconnected_clients:3\r\n\
        \r\n# Stats\r\ntotal_commands_processed:-1\r\nmem_fragmentation_ratio:1.50\r\n\
        db0:keys=7,usec=1500000,redis_version=a?b\r\ndb1\":keys=8,usec=1500000,redis_version=a?b\r\n";
    assert_eq!(String::from_utf8(info.finish()).unwrap(), expected);
}

#[test]
fn prometheus_groups_samples_by_metric_and_skips_text() {
    let mut page = Prometheus::new();
    toy(&mut page);
    let expected = "\
# HELP redis_connected_clients Open connections
# TYPE redis_connected_clients gauge
redis_connected_clients 3
# HELP ochre_total_commands_processed_total Commands executed
# TYPE ochre_total_commands_processed_total counter
ochre_total_commands_processed_total -1
# HELP ochre_mem_fragmentation_ratio Resident over used memory
# TYPE ochre_mem_fragmentation_ratio gauge
ochre_mem_fragmentation_ratio 1.50
# HELP redis_db_keys Keys in a database
# TYPE redis_db_keys gauge
redis_db_keys{db=\"db0\"} 7
redis_db_keys{db=\"db1\\\"\"} 8
# HELP redis_commands_duration_seconds_total Time spent
# TYPE redis_commands_duration_seconds_total counter
redis_commands_duration_seconds_total{db=\"db0\"} 1.5
redis_commands_duration_seconds_total{db=\"db1\\\"\"} 1.5
";
    assert_eq!(String::from_utf8(page.finish()).unwrap(), expected);
}
