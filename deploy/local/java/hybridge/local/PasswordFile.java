package hybridge.local;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.MessageDigest;
import javax.security.sasl.AuthenticationException;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;

/**
 * What HiveServer2 asks with hive.server2.authentication=CUSTOM: lets in whom the file names that
 * the system property hybridge.hive.users gives, in lines of user:password. It is read at each
 * log-in, so that passwords can change while the server runs.
 */
public final class PasswordFile implements PasswdAuthenticationProvider {
  @Override
  public void Authenticate(String user, String password) throws AuthenticationException {
    byte[] given = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
    try {
      for (String line : Files.readAllLines(Paths.get(System.getProperty("hybridge.hive.users")))) {
        if (MessageDigest.isEqual(line.getBytes(StandardCharsets.UTF_8), given)) return;
      }
    } catch (IOException cause) {
      throw new AuthenticationException("the file of users cannot be read", cause);
    }
    throw new AuthenticationException("wrong user or password");
  }
}
