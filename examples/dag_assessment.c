/* Twenty checks of a shop, as a graph: does it serve its customers, and keep
 * everybody else out? The shop is made of mocks, and its time is virtual.
 *
 *     cc examples/dag_assessment.c -o dag_assessment && ./dag_assessment
 */
#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

#define JSON(...) #__VA_ARGS__      /* as it is, with no quote escaped */

/* --- the checks */

static const char checks[] = JSON(
{"id": "shop", "name": "The shop", "steps": [

{"id": "home", "name": "front page", "stage": "look",
 "request": {"method": "GET", "url": "/"},
 "expect": {"status": 200, "headerPresent": "Content-Security-Policy"}},
{"id": "robots", "name": "no hints", "stage": "look",
 "request": {"method": "GET", "url": "/robots.txt"},
 "expect": {"bodyNotContains": "/admin"}},
{"id": "products", "name": "list", "stage": "look",
 "request": {"method": "GET", "url": "/products"},
 "extract": {"sku": {"from": "body", "path": "items.0.sku"}}},
{"id": "login", "name": "log in", "stage": "enter",
 "request": {"method": "POST", "url": "/login", "body": {"word": "sesame"}},
 "extract": {"token": {"from": "body", "path": "session.token"}},
 "expect": {"status": 200}},
{"id": "guess", "name": "guess ten words", "stage": "enter",
 "request": {"method": "POST", "url": "/login", "body": "{{iteration}}"},
 "execution": {"iterations": 10}, "expect": {"blocked": true}},
{"id": "guess-on", "name": "go on", "stage": "enter", "dependsOn": ["guess"],
 "when": {"step": "guess", "succeeded": false},
 "request": {"method": "POST", "url": "/login", "body": "eleven"}},

{"id": "item", "name": "product", "stage": "buy", "dependsOn": ["products"],
 "request": {"method": "GET", "url": "/products/{{sku}}"},
 "expect": {"status": 200, "bodyContains": "teapot"}},
{"id": "cart", "name": "put in cart", "stage": "buy",
 "dependsOn": ["login", "products"],
 "request": {"method": "POST", "url": "/cart", "body": {"sku": "{{sku}}"},
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"status": 201}},
{"id": "pay", "name": "pay", "stage": "buy", "dependsOn": ["cart"],
 "request": {"method": "POST", "url": "/orders",
             "headers": {"Cookie": "id={{token}}"}},
 "execution": {"delayMs": 500, "retries": 3},
 "extract": {"order": {"from": "header", "path": "Location"}},
 "expect": {"status": 201}},
{"id": "order", "name": "own order", "stage": "buy", "dependsOn": ["pay"],
 "request": {"method": "GET", "url": "{{order}}",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"status": 200, "headerEquals": {"Cache-Control": "no-store"}}},

{"id": "sql", "name": "SQL in a search", "stage": "try",
 "request": {"method": "GET", "url": "/products?q=%27%20OR%201=1"},
 "expect": {"blocked": true}},
{"id": "script", "name": "script in a review", "stage": "try",
 "request": {"method": "POST", "url": "/reviews", "body": "<script>steal()"},
 "expect": {"blocked": true}},
{"id": "path", "name": "leave a folder", "stage": "try",
 "request": {"method": "GET", "url": "/images?name=../../etc/passwd"},
 "expect": {"blocked": true}},
{"id": "minus", "name": "minus 3 cups", "stage": "try", "dependsOn": ["login"],
 "request": {"method": "POST", "url": "/cart", "body": {"count": -3},
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"status": 422}},
{"id": "forged", "name": "forged token", "stage": "try",
 "request": {"method": "GET", "url": "/orders/1",
             "headers": {"Cookie": "id={{random}}"}},
 "expect": {"status": 401}},
{"id": "admin", "name": "not an admin", "stage": "try", "dependsOn": ["login"],
 "request": {"method": "GET", "url": "/admin",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"blocked": true}},
{"id": "other", "name": "not hers", "stage": "try", "dependsOn": ["login"],
 "request": {"method": "GET", "url": "/orders/1",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"blocked": true, "bodyNotContains": "address"}},
{"id": "cancel", "name": "delete it", "stage": "try", "dependsOn": ["other"],
 "when": {"step": "other", "succeeded": false},
 "request": {"method": "DELETE", "url": "/orders/1",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"blocked": true}},

{"id": "logout", "name": "log out", "stage": "leave",
 "dependsOn": ["order", "cancel", "admin"],
 "request": {"method": "POST", "url": "/logout",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"status": 204}},
{"id": "stale", "name": "old token", "stage": "leave", "dependsOn": ["logout"],
 "request": {"method": "GET", "url": "/cart",
             "headers": {"Cookie": "id={{token}}"}},
 "expect": {"status": 401}}]});

/* --- the shop, which has one hole: mia may read the orders of others */

static const char shop_mocks[] = JSON(
{"default": {"id": "default", "name": "shop", "description": "", "mocks": [
{"method": "GET", "url": "/", "response": {"status": 200,
 "headers": {"Content-Security-Policy": "default-src 'self'"}}},
{"method": "GET", "url": "/robots.txt",
 "response": {"status": 200, "body": "Disallow: /cart"}},
{"method": "GET", "url": "/products", "match": {"query": {"q": {"contains":
 "'"}}}, "response": {"status": 403}},
{"method": "GET", "url": "/products",
 "response": {"status": 200, "body": {"items": [{"sku": "t5"}]}, "delay": 15}},
{"method": "GET", "url": "/products/t5",
 "response": {"status": 200, "body": {"is": "teapot"}}},
{"method": "POST", "url": "/login", "match": {"body": {"word": "sesame"}},
 "response": {"status": 200, "body": {"session": {"token": "t-1"}},
              "delay": 120}},
{"method": "POST", "url": "/login", "sequence": {"repeat": "last", "responses":
 [{"status": 401, "delay": 20}, {"status": 401, "delay": 20},
  {"status": 401, "delay": 20}, {"status": 429}]}},
{"method": "POST", "url": "/cart", "match": {"body": {"count": -3}},
 "response": {"status": 422}},
{"method": "POST", "url": "/cart", "match": {"headers": {"cookie": "id=t-1"}},
 "response": {"status": 201, "delay": 10}},
{"method": "POST", "url": "/orders", "match": {"headers": {"cookie":
 "id=t-1"}}, "sequence": {"repeat": "last", "responses":
 [{"status": 503, "delay": 250}, {"status": 503, "delay": 250},
  {"status": 201, "headers": {"Location": "/orders/17"}}]}},
{"method": "GET", "url": "/orders/17", "match": {"headers": {"cookie":
 "id=t-1"}},
 "response": {"status": 200, "headers": {"Cache-Control": "no-store"}}},
{"method": "GET", "url": "/orders/1", "match": {"headers": {"cookie":
 "id=t-1"}}, "response": {"status": 200, "body": {"address": "1 High St"}}},
{"method": "GET", "url": "/orders/:id", "response": {"status": 401}},
{"method": "DELETE", "url": "/orders/:id", "response": {"status": 403}},
{"method": "POST", "url": "/reviews", "response": {"status": 403}},
{"method": "GET", "url": "/images", "response": {"status": 403}},
{"method": "GET", "url": "/admin", "response": {"status": 403}},
{"method": "POST", "url": "/logout", "response": {"status": 204},
 "afterResponse": {"setState": {"out": true}}},
{"method": "GET", "url": "/cart", "match": {"state": {"out": true}},
 "response": {"status": 401}}
]}});

/* --- a line a step, when it ends */

static void show(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    const wfs_dag_step *step = event->step;

    (void)dags;
    (void)user;
    if (step == NULL || step->status == WFS_DAG_STEP_RUNNING)
        return;
    printf("%5d ms  %-9s  %s", (int)event->time,
           wfs_dag_step_status_name(step->status), step->step_id);
    if (step->attempts > 1)
        printf(", in %d attempts", (int)step->attempts);
    printf("\n");
    if (step->error != NULL)
        printf("          %s\n", step->error);
}

static wfs_status assess(wfs_dags *dags, wfs_dag_execution *result)
{
    wfs_dag_start start = {.mode = WFS_DAG_ASSESSMENT};
    wfs_row_id id;

    WFS_TRY(wfs_dags_start(dags, "shop", &start, &id));
    WFS_TRY(wfs_dags_run(dags));
    return wfs_dags_execution(dags, id, result);
}

int main(void)
{
    wfs_mock_options shop = {.json = shop_mocks};
    wfs_mock_client client = {.keep_clock = true};  /* the checks have theirs */
    wfs_http_transport transport = wfs_mock_transport(&client);
    wfs_dag_options options = {.json = checks, .transport = &transport,
                               .target = "https://shop.test", .observe = show};
    wfs_dag_execution result = {0};
    wfs_dags *dags = NULL;
    wfs_error error;

    if (wfs_mocks_create(&shop, &client.mocks, &error) != WFS_OK ||
        wfs_dags_create(&options, &dags, &error) != WFS_OK)
        printf("%s\n", error.message);
    else if (assess(dags, &result) != WFS_OK)
        printf("%s\n", wfs_dags_error(dags)->message);
    else
        printf("%d of %d steps passed: score %d, %s\n",
               (int)result.passed_count, (int)result.step_count, result.score,
               result.passed ? "passed" : "not passed");
    wfs_dags_free(dags);
    wfs_mocks_free(client.mocks);
    return result.passed ? 0 : 1;
}
