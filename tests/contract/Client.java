import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** A round trip with Java's own client as it is made: it offers HTTP/2 with its first request. `java Client.java URL TOKEN`. */
class Client {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        String list = arguments[0] + "/api/v1/users/java/tasks";
        HttpRequest.Builder request =
                HttpRequest.newBuilder()
                        .header("Authorization", "Bearer " + arguments[1])
                        .header("Content-Type", "application/json");
        HttpResponse<String> made =
                client.send(
                        request.copy().uri(URI.create(list)).POST(BodyPublishers.ofString("{\"title\": \"Buy milk\"}")).build(),
                        BodyHandlers.ofString());
        expect(made, 201);
        URI task = URI.create(arguments[0] + made.headers().firstValue("Location").orElseThrow());
        expect(
                client.send(
                        request.copy().uri(task).method("PATCH", BodyPublishers.ofString("{\"completed\": true}")).build(),
                        BodyHandlers.ofString()),
                200);
        expect(client.send(request.copy().uri(task).DELETE().build(), BodyHandlers.ofString()), 204);
        System.out.println("round trip done");
    }

    private static void expect(HttpResponse<String> answer, int status) {
        if (answer.statusCode() != status) throw new AssertionError(answer.statusCode() + ": " + answer.body());
    }
}
