import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Runs the real Helm over a chart, for helm.testing.ts: one JVM for all renderings.
 * Arguments: the chart's folder, another copy of it to lint, then files of values. Beside each file FILE.yaml its rendering is written to
 * FILE.rendered, or what Helm says against it to FILE.refused. Prints what lint says; exit code 1 when it fails.
 */
class RunHelm {
  public static void main(String[] arguments) throws Exception {
    Helm helm = new Helm(Path.of(arguments[0]));
    for (int i = 2; i < arguments.length; i++) render(helm, Path.of(arguments[i]));
    LintResult lint = new Helm(Path.of(arguments[1])).lint().strict().call();
    for (String message : lint.getMessages()) System.out.println(message);
    System.exit(lint.isFailed() ? 1 : 0);
  }

  private static void render(Helm helm, Path values) throws Exception {
    String name = values.toString().replaceAll("\\.yaml$", "");
    try {
      String rendered = helm.template().withName("trial").withNamespace("metering").withValuesFile(values).call();
      Files.writeString(Path.of(name + ".rendered"), rendered);
    } catch (IllegalStateException refused) {
      Files.writeString(Path.of(name + ".refused"), refused.getMessage());
    }
  }
}
