import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** The measured programs in Flink SQL: tumbling, changes, map, repartition. */
public final class FlinkPeer {
    static final String STATISTICS = "COUNT(*) AS n, SUM(amount) AS total, MIN(amount) AS low, MAX(amount) AS high";

    static Configuration configuration(String state, String backend) {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", "1");
        settings.setString("execution.checkpointing.interval", "1 s");
        settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        settings.setString("execution.checkpointing.dir", "file://" + state + "/checkpoints");
        settings.setString("execution.checkpointing.incremental", "true");
        settings.setString("state.backend.type", backend);
        settings.setString("taskmanager.memory.managed.size", "256m");
        settings.setString("io.tmp.dirs", state);
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("table.local-time-zone", "UTC");
        settings.setString("table.exec.state.ttl", "1 h");
        settings.setString("table.exec.mini-batch.enabled", "true");
        settings.setString("table.exec.mini-batch.allow-latency", "1 s");
        settings.setString("table.exec.mini-batch.size", "20000");
        settings.setString("rest.bind-port", "0");
        return settings;
    }

    static String kafka(String connector, String bootstrap, String topic) {
        return "'connector' = '" + connector + "', 'topic' = '" + topic + "', 'properties.bootstrap.servers' = '"
            + bootstrap + "'";
    }

    static String sink(String connector, String bootstrap, String topic, String prefix) {
        return kafka(connector, bootstrap, topic) + ", 'sink.delivery-guarantee' = 'exactly-once', "
            + "'sink.transactional-id-prefix' = '" + prefix + "', 'properties.transaction.timeout.ms' = '600000', "
            + "'properties.compression.type' = 'lz4'";
    }

    public static void main(String[] arguments) throws Exception {
        String name = arguments[0];
        String bootstrap = arguments[1];
        String group = arguments[4];
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(
            1, configuration(arguments[5], arguments[6]));
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        // A window is over when the stream time of every partition is at its end plus two seconds; a watermark of t
        // says that nothing at or before t will come, hence one millisecond more.
        tables.executeSql("CREATE TABLE clicks (`user` STRING, page STRING, amount DOUBLE, country STRING, "
            + "category STRING, ts BIGINT, event_time AS TO_TIMESTAMP_LTZ(ts, 3), "
            + "WATERMARK FOR event_time AS event_time - INTERVAL '2.001' SECOND(1, 3)) WITH ("
            + kafka("kafka", bootstrap, arguments[2]) + ", 'properties.group.id' = '" + group + "', "
            + "'scan.startup.mode' = 'earliest-offset', 'format' = 'json')");
        String output = arguments[3];
        String keys = name.equals("repartition") ? "country, category" : "`user`";
        String columns = name.equals("repartition") ? "country STRING, category STRING" : "`user` STRING";
        String values = "window_start BIGINT, n BIGINT, total DOUBLE, low DOUBLE, high DOUBLE";
        switch (name) {
            case "map" -> {
                tables.executeSql("CREATE TABLE results (`user` STRING, page STRING, country STRING, cost DOUBLE, "
                    + "ts BIGINT) WITH (" + sink("kafka", bootstrap, output, group)
                    + ", 'key.format' = 'raw', 'key.fields' = 'user', 'value.format' = 'json')");
                tables.executeSql("INSERT INTO results SELECT `user`, page, country, amount * 1.19E0, ts FROM clicks "
                    + "WHERE amount >= 25").await();
            }
            case "changes" -> {
                // A window function gives final results only; every change comes from a plain aggregate.
                tables.executeSql("CREATE TABLE results (" + columns + ", " + values
                    + ", PRIMARY KEY (`user`, window_start) NOT ENFORCED) WITH ("
                    + sink("upsert-kafka", bootstrap, output, group)
                    + ", 'key.format' = 'json', 'value.format' = 'json')");
                tables.executeSql("INSERT INTO results SELECT `user`, ts - MOD(ts, 10000) AS window_start, " + STATISTICS
                    + " FROM clicks GROUP BY `user`, ts - MOD(ts, 10000)").await();
            }
            default -> {
                String key = name.equals("tumbling") ? ", 'key.format' = 'raw', 'key.fields' = 'user'"
                    : ", 'key.format' = 'json', 'key.fields' = 'country;category'";
                tables.executeSql("CREATE TABLE results (" + columns + ", " + values + ") WITH ("
                    + sink("kafka", bootstrap, output, group) + key + ", 'value.format' = 'json')");
                tables.executeSql("INSERT INTO results SELECT " + keys + ", CAST(TIMESTAMPDIFF(SECOND, "
                    + "TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT) * 1000, " + STATISTICS
                    + " FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY "
                    + keys + ", window_start, window_end").await();
            }
        }
    }
}
