import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.FileInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.Executors;

/** Runs Debezium with the properties of a file and prints destination, key and value of every event, one a line. */
public final class Tap {
  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    try (FileInputStream file = new FileInputStream(arguments[0])) {
      properties.load(file);
    }
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class).using(properties)
        .notifying(event -> out.print(event.destination() + "\t" + event.key() + "\t" + event.value() + "\n")).build();
    var executor = Executors.newSingleThreadExecutor();
    executor.execute(engine);
    System.in.read();  // until the test closes its end
    engine.close();
    executor.shutdown();
  }
}
