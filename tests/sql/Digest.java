import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;

/** Prints base64(digest(password + salt)) for each triple of arguments: algorithm, password, salt. */
public class Digest {
    public static void main(String[] arguments) throws Exception {
        for (int at = 0; at < arguments.length; at += 3) {
            MessageDigest digest = MessageDigest.getInstance(arguments[at]);
            String text = arguments[at + 1] + arguments[at + 2];
            digest.update(text.getBytes(StandardCharsets.UTF_8));
            System.out.println(Base64.getEncoder().encodeToString(digest.digest()));
        }
    }
}
