import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: RocksDB store with changelog, at-least-once, one thread.
 *
 * Option `uncached`: a Processor over a plain store; an output per change, as soon as it is made.
 * Option `cached`: groupByKey().aggregate() with a 10 MB cache; the cache folds the changes of a key into one output.
 */
public final class Streams {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Serde<byte[]> BYTES = Serdes.ByteArray();
  private static final AtomicBoolean STARTED = new AtomicBoolean();

  private Streams() {}

  /** Says once when the first record is in hand: the clock of the lap. */
  private static void first() {
    if (!STARTED.get() && STARTED.compareAndSet(false, true)) {
      System.out.printf("first %.6f%n", System.currentTimeMillis() / 1000.0);
      System.out.flush();
    }
  }

  /** The state after the event, or null when the event changes nothing. Same job as merge.py. */
  private static byte[] merge(byte[] row, byte[] value) throws IOException {
    JsonNode event = JSON.readTree(value);
    JsonNode about = event.get("data");
    ObjectNode state = row == null ? JSON.createObjectNode() : (ObjectNode) JSON.readTree(row);
    String slot = about.get("channel").asText() + "/" + about.get("scope").asText();
    int which = event.get("type").asText().contains("grant") ? 1 : 0;
    long at = event.get("time").asLong();
    ArrayNode registers = (ArrayNode) state.get(slot);
    if (registers == null) {
      registers = state.putArray(slot).add(0L).add(0L);
    }
    if (at <= registers.get(which).asLong()) {
      return null;
    }
    registers.set(which, JSON.getNodeFactory().numberNode(at));
    return JSON.writeValueAsBytes(state);
  }

  private static final class Merge implements Processor<byte[], byte[], byte[], byte[]> {
    private KeyValueStore<byte[], byte[]> store;
    private ProcessorContext<byte[], byte[]> context;

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      store = given.getStateStore("race");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      first();
      try {
        byte[] row = merge(store.get(record.key()), record.value());
        if (row != null) {
          store.put(record.key(), row);
          context.forward(record.withValue(row));
        }
      } catch (IOException problem) {
        throw new IllegalStateException(problem);
      }
    }
  }

  private static byte[] aggregate(byte[] key, byte[] value, byte[] row) {
    first();
    try {
      byte[] grown = merge(row, value);
      return grown == null ? row : grown;
    } catch (IOException problem) {
      throw new IllegalStateException(problem);
    }
  }

  private static StreamsBuilder topology(String source, String output, boolean cached) {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<byte[], byte[]> events = builder.stream(source, Consumed.with(BYTES, BYTES));
    if (cached) {
      events
          .groupByKey()
          .aggregate(
              () -> null,
              Streams::aggregate,
              Materialized.<byte[], byte[], KeyValueStore<Bytes, byte[]>>as("race")
                  .withKeySerde(BYTES)
                  .withValueSerde(BYTES)
                  .withCachingEnabled())
          .toStream()
          .to(output, Produced.with(BYTES, BYTES));
    } else {
      builder.addStateStore(
          Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("race"), BYTES, BYTES).withCachingDisabled());
      events.process(Merge::new, "race").to(output, Produced.with(BYTES, BYTES));
    }
    return builder;
  }

  public static void main(String[] args) throws Exception {
    boolean cached = args[7].equals("cached");
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("application.id", args[1]);
    settings.put("state.dir", args[6]);
    settings.put("auto.offset.reset", "earliest");
    settings.put("processing.guarantee", "at_least_once");
    settings.put("num.stream.threads", "1");
    settings.put("replication.factor", "1");
    settings.put("statestore.cache.max.bytes", cached ? 10 * 1024 * 1024 : 0);
    settings.put("commit.interval.ms", "1000");
    settings.put("producer.acks", "all");
    settings.put("producer.linger.ms", "5");
    settings.put("producer.compression.type", "lz4");
    KafkaStreams streams = new KafkaStreams(topology(args[2], args[3], cached).build(), settings);
    CountDownLatch stop = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        problem -> {
          problem.printStackTrace();
          Runtime.getRuntime().halt(70);
          return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(Duration.ofSeconds(10));
                  stop.countDown();
                }));
    streams.start();
    stop.await();
  }
}
