import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.WindowStore;

/** The measured programs in Kafka Streams: tumbling, changes, map, repartition. */
public final class StreamsPeer {
    static final ObjectMapper MAPPER = new ObjectMapper();

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Click {
        public String user;
        public String page;
        public double amount;
        public String country;
        public String category;
        public long ts;
    }

    public static final class Mapped {
        public String user;
        public String page;
        public String country;
        public double cost;
        public long ts;
    }

    public static final class Statistics {
        public long n;
        public double total;
        public double low = Double.POSITIVE_INFINITY;
        public double high = Double.NEGATIVE_INFINITY;

        Statistics add(Click click) {
            n++;
            total += click.amount;
            low = Math.min(low, click.amount);
            high = Math.max(high, click.amount);
            return this;
        }
    }

    public static final class Row {
        public String user;
        public String country;
        public String category;
        public long window_start;
        public long n;
        public double total;
        public double low;
        public double high;
    }

    static <T> Serde<T> json(Class<T> kind) {
        Serializer<T> serializer = (topic, value) -> {
            try {
                return value == null ? null : MAPPER.writeValueAsBytes(value);
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        };
        Deserializer<T> deserializer = (topic, bytes) -> {
            try {
                return bytes == null ? null : MAPPER.readValue(bytes, kind);
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    /** Event time is in the record. */
    public static final class EventTime implements TimestampExtractor {
        @Override
        public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
            return record.value() instanceof Click click ? click.ts : record.timestamp();
        }
    }

    static Row row(Windowed<String> key, Statistics statistics, boolean split) {
        Row row = new Row();
        if (split) {
            String[] parts = key.key().split("\\|");
            row.country = parts[0];
            row.category = parts[1];
        } else {
            row.user = key.key();
        }
        row.window_start = key.window().start();
        row.n = statistics.n;
        row.total = statistics.total;
        row.low = statistics.low;
        row.high = statistics.high;
        return row;
    }

    static void build(StreamsBuilder builder, String name, String source, String output) {
        Serde<Click> clickSerde = json(Click.class);
        KStream<String, Click> clicks = builder.stream(source, Consumed.with(Serdes.String(), clickSerde));
        if (name.equals("map")) {
            clicks.filter((key, click) -> click.amount >= 25)
                .mapValues(click -> {
                    Mapped mapped = new Mapped();
                    mapped.user = click.user;
                    mapped.page = click.page;
                    mapped.country = click.country;
                    mapped.cost = click.amount * 1.19;
                    mapped.ts = click.ts;
                    return mapped;
                })
                .to(output, Produced.with(Serdes.String(), json(Mapped.class)));
            return;
        }
        boolean split = name.equals("repartition");
        KGroupedStream<String, Click> groups = split
            ? clicks.groupBy((key, click) -> click.country + "|" + click.category,
                Grouped.with(Serdes.String(), clickSerde))
            : clicks.groupByKey(Grouped.with(Serdes.String(), clickSerde));
        Materialized<String, Statistics, WindowStore<Bytes, byte[]>> store =
            Materialized.<String, Statistics, WindowStore<Bytes, byte[]>>as("totals")
                .withKeySerde(Serdes.String())
                .withValueSerde(json(Statistics.class));
        KTable<Windowed<String>, Statistics> totals = groups
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(2)))
            .aggregate(Statistics::new, (key, click, statistics) -> statistics.add(click), store);
        if (!name.equals("changes")) {
            totals = totals.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
        }
        totals.toStream()
            .map((key, statistics) -> org.apache.kafka.streams.KeyValue.pair(key.key(), row(key, statistics, split)))
            .to(output, Produced.with(Serdes.String(), json(Row.class)));
    }

    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[4]);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[1]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        properties.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, EventTime.class);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        StreamsBuilder builder = new StreamsBuilder();
        build(builder, arguments[0], arguments[2], arguments[3]);
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }
}
