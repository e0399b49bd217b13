/* HTTP mocks, beyond the recorded cases: definitions in C and in JSON and what
 * is wrong with them, the log, what was not used, why nothing matched, error
 * behaviours, transports, control endpoints. */
#include "mock_support.h"

/* --- definitions */

static const wfs_mock_response carts[] = {
    {.status = 200, .body = "{\"items\":0}"},
    {.status = 200, .body = "{\"items\":1}", .delay = 20},
    {0},
};

static const wfs_http_header reply_headers[] = {
    {"X-Trace", "{{params.id}}"}, {0}};

static const wfs_mock shop_mocks[] = {
    {.method = "GET", .url = "/users/:id",
     .response = {.status = 203, .body = "{\"id\":\"{{params.id}}\"}",
                  .headers = reply_headers, .delay = 5}},
    {.method = "GET", .url = "/cart", .sequence = carts,
     .repeat = WFS_MOCK_CYCLE},
    {.method = "POST", .url = "/cart",
     .match = "{\"body\":{\"sku\":{\"startsWith\":\"A\"},\"count\":2}}",
     .response = {.status = 201},
     .capture_state = "{\"items[]\":\"body.sku\"}",
     .after_response = "{\"setState\":{\"filled\":true}}"},
    {.method = "DELETE", .url = "/cart",
     .state_response = "{\"default\":{\"status\":404},\"conditions\":["
                       "{\"when\":{\"filled\":true},"
                       "\"then\":{\"status\":204}}]}"},
    {0},
};

static const wfs_mock_scenario shop_scenarios[] = {
    {.id = "default", .mocks = shop_mocks},
    {.id = "empty", .name = "Nothing", .description = "none at all"},
    {0},
};

static void mocks_in_c(void **state)
{
    wfs_mocks *mocks;
    wfs_mock_scenario_info info;
    asked it;

    (void)state;
    mocks = open_mocks_with((wfs_mock_options){.scenarios = shop_scenarios},
                            NULL);
    it = ask(mocks, NULL, "get /users/7");
    assert_string_equal(said(it), "203 {'id':'7'}");
    assert_string_equal(
        wfs_http_header_value(it.answer.response.headers, "x-TRACE"), "7");
    assert_int_equal(it.answer.response.delay, 5);
    assert_string_equal(it.answer.scenario, "default");
    assert_int_equal(it.answer.mock, 0);
    assert_int_equal(it.answer.specificity, 0);
    assert_string_equal(it.answer.test_id, "default-test");
    assert_string_equal(it.answer.url, "https://x.test/users/7");
    assert_string_equal(wfs_json_string(wfs_json_get(it.answer.params, "id"),
                                        NULL), "7");
    assert_null(it.answer.explanation);
    wfs_arena_clear(mock_arena);

    expect(mocks, NULL, "DELETE /cart", "404");
    expect(mocks, NULL, "POST /cart {'sku':'A-1','count':2}", "201");
    expect(mocks, NULL, "POST /cart {'sku':'A-1','count':3}", "NO_MOCK_FOUND");
    expect_state(mocks, NULL, "{'items':['A-1'],'filled':true}");
    expect(mocks, NULL, "DELETE /cart", "204");
    expect(mocks, NULL, "GET /cart", "200 {'items':0}");
    expect(mocks, NULL, "GET /cart", "200 {'items':1}");
    expect(mocks, NULL, "GET /cart", "200 {'items':0}");

    assert_true(wfs_mocks_scenario(mocks, "empty", &info));
    assert_string_equal(info.name, "Nothing");
    assert_string_equal(info.description, "none at all");
    assert_int_equal(info.mock_count, 0);
    assert_true(wfs_mocks_scenario_at(mocks, 0, &info));
    assert_string_equal(info.id, "default");
    assert_string_equal(info.name, "default");
    assert_string_equal(info.description, "");
    assert_int_equal(info.mock_count, 4);
    assert_false(wfs_mocks_scenario_at(mocks, 2, &info));
    assert_null(info.id);
    assert_false(wfs_mocks_scenario(mocks, "nobody", &info));
    assert_false(wfs_mocks_scenario(mocks, NULL, &info));
    close_mocks(mocks);
}

static void selected_before_it_was_text(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/a", "'captureState':{'n':'body.n'},"
                   "'response':{'status':200,'delay':1.5,"
                   "'headers':{'X-N':'{{state.n}}'},"
                   "'body':{'n':'{{state.n}}','t':'<{{state.n}}>'}}")));
    asked it = ask(mocks, NULL, "POST /a {'n':7}");
    wfs_json *selected = wfs_mock_selected(mock_arena, &it.answer);

    (void)state;
    same_text_at("{'status':200,'delay':1.5,'body':{'n':7,'t':'<7>'},"
                 "'headers':{'X-N':7}}",
                 unquoted(mock_arena,
                          wfs_json_write(mock_arena, selected, 0, NULL)),
                 "selected", __LINE__);
    it = ask(mocks, NULL, "GET /a");
    assert_int_equal(
        wfs_json_type_of(wfs_mock_selected(mock_arena, &it.answer)),
        WFS_JSON_NULL);
    close_mocks(mocks);
}

/* All problems of all scenarios are found, and nothing is registered. */
static void load_is_all_or_nothing(void **state)
{
    static const struct {
        const char *where, *message;
    } expected[] = {
        {"a.mocks[0].method", "must be one of"},
        {"a.mocks[0].match.body.sku", "exactly one of"},
        {"a.mocks[0].match.headers.x-id", "must be text"},
        {"a.mocks[0].response.status", "from 100 to 599"},
        {"a.mocks[1].url", "is required"},
        {"a.mocks[1].match.query.q.regex.source", ""},
        {"b.name", "must not be empty"},
        {"b.mocks[0]", "more than one of"},
    };
    wfs_mocks *mocks = open_mocks(DEFAULT(""));
    const wfs_problem *problems;
    size_t i, count;

    (void)state;
    mocks_refused(mocks, WFS_ERR_VALIDATION, "a.mocks[0].method", load_text(
        mocks,
        "{'default':{'id':'d2','name':'d','description':'','mocks':[]},"
        "'a':{'id':'a','name':'a','description':'','mocks':[{'method':'get',"
        "'url':'/','match':{'body':{'sku':{}},'headers':{'x-id':5}},"
        "'response':{'status':99}},{'method':'GET','match':{'query':{'q':"
        "{'regex':{'source':'('}}}}}]},"
        "'b':{'id':'b','name':'','description':'','mocks':[{'method':'GET',"
        "'url':'/','response':{'status':200},"
        "'sequence':{'responses':[{'status':200}]}}]}}"));
    problems = wfs_mocks_problems(mocks, &count);
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
    for (i = 0; i < count; i++) {
        assert_string_equal(problems[i].where, expected[i].where);
        assert_contains(problems[i].message, expected[i].message);
    }
    assert_contains(wfs_mocks_error(mocks)->message,
                    "\n  a.mocks[1].url is required\n");
    assert_string_equal(wfs_json_write(mock_arena, problems[1].path, 0, NULL),
                        "[\"a\",\"mocks\",0,\"match\",\"body\",\"sku\"]");
    wfs_arena_clear(mock_arena);

    mocks_refused(mocks, WFS_ERR_VALIDATION, "default is required",
                  load_text(mocks, "{'a':{'id':'a','name':'a',"
                                   "'description':'','mocks':[]}}"));
    mocks_refused(mocks, WFS_ERR_VALIDATION, "must be an object",
                  load_text(mocks, "[1]"));
    mocks_refused(mocks, WFS_ERR_JSON, "", load_text(mocks, "{'a':"));
    mocks_refused(mocks, WFS_ERR_JSON, "", wfs_mocks_load(mocks, NULL, 0));
    mocks_refused(mocks, WFS_ERR_DUPLICATE_SCENARIO, "default", load_text(
        mocks, "{" SCENARIO("new", "") ","
               "'default':{'id':'default','name':'d','description':'',"
               "'mocks':[]}}"));
    assert_null(wfs_mocks_active(mocks, NULL));
    assert_int_equal(wfs_mocks_switch(mocks, NULL, "new"),
                     WFS_ERR_SCENARIO_NOT_FOUND);
    mocks_ok(mocks, load_text(mocks, "{" SCENARIO("new", GET("/", SAYS("1")))
                                     ",'default':{'id':'d2','name':'d',"
                                     "'description':'','mocks':[]}}"));
    wfs_mocks_problems(mocks, &count);
    assert_int_equal(count, 0);
    mocks_ok(mocks, wfs_mocks_switch(mocks, NULL, "new"));
    expect(mocks, NULL, "GET /", "200 1");
    close_mocks(mocks);
}

/* What is no scenario at all. */
static void odd_definitions(void **state)
{
    static const char *const odd[] = {
        "5", "null", "[]", "{}", "{'id':null}", "{'id':7,'name':'x'}",
        "{'id':'','name':'n','description':'','mocks':[]}",
        "{'id':'x','name':'n','description':'','mocks':{}}",
        "{'id':'x','name':'n','description':'','mocks':[null]}",
        "{'id':'x','name':'n','mocks':[]}",
    };
    wfs_mocks *mocks = open_mocks(DEFAULT(""));
    size_t i, count;

    (void)state;
    for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        mocks_refused(mocks, WFS_ERR_VALIDATION, "",
                      register_text(mocks, odd[i]));
        wfs_mocks_problems(mocks, &count);
        assert_true(count > 0);
    }
    mocks_refused(mocks, WFS_ERR_VALIDATION, "must be an object",
                  wfs_mocks_register(mocks, NULL));
    mocks_refused(mocks, WFS_ERR_VALIDATION, "id",
                  wfs_mocks_add(mocks, &(wfs_mock_scenario){.name = "x"}));
    close_mocks(mocks);
}

static void mocks_in_c_that_are_wrong(void **state)
{
    wfs_mock wrong[] = {
        {.method = "GET", .url = "/", .match = "{\"body\":"}, {0}};
    wfs_mock_scenario scenario = {.id = "x", .mocks = wrong};
    wfs_mocks *mocks = open_mocks(DEFAULT(""));

    (void)state;
    mocks_refused(mocks, WFS_ERR_JSON,
                  "mock scenario x: mocks[0], match is not JSON: ",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].match = "{\"state\":5}";
    mocks_refused(mocks, WFS_ERR_VALIDATION, "mocks[0].match.state",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].match = NULL;
    wrong[0].response.status = 600;
    mocks_refused(mocks, WFS_ERR_VALIDATION, "mocks[0].response.status",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].response.status = 200;
    wrong[0].response.body = "no json";
    mocks_refused(mocks, WFS_ERR_JSON,
                  "mock scenario x: mocks[0], body is not JSON: ",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].response.body = NULL;
    wrong[0].response.delay = -1;
    mocks_refused(mocks, WFS_ERR_VALIDATION, "mocks[0].response.delay",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].response.delay = 0;
    wrong[0].sequence = carts;
    mocks_refused(mocks, WFS_ERR_VALIDATION, "mocks[0]",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].sequence = NULL;
    wrong[0].url = NULL;
    mocks_refused(mocks, WFS_ERR_VALIDATION, "mocks[0].url",
                  wfs_mocks_add(mocks, &scenario));
    wrong[0].url = "/";
    mocks_ok(mocks, wfs_mocks_add(mocks, &scenario));
    close_mocks(mocks);
}

/* Only an entry that is zero all through ends an array. */
static void entries_without_what_they_need(void **state)
{
    static const wfs_mock_response replies[] = {
        {.status = 200}, {.body = "2"}, {.delay = 3}, {.status = 200}, {0}};
    static const wfs_mock_response broken[] = {
        {.status = 200}, {.status = 200, .body = "two"}, {0}};
    wfs_mock entries[] = {
        {.method = "GET", .url = "/", .sequence = replies},
        {.response = {.body = "1"}},
        {.method = "GET", .url = "/x", .response = {.status = 200}},
        {0}};
    wfs_mock_scenario scenario = {.id = "x", .mocks = entries};
    wfs_mocks *mocks = open_mocks(DEFAULT(""));
    size_t count;

    (void)state;
    mocks_refused(mocks, WFS_ERR_VALIDATION,
                  "mock scenario x: mocks[0].sequence.responses[1].status is "
                  "required\n"
                  "  mocks[0].sequence.responses[2].status is required\n"
                  "  mocks[1].method is required\n"
                  "  mocks[1].url is required\n"
                  "  mocks[1].response.status is required",
                  wfs_mocks_add(mocks, &scenario));
    wfs_mocks_problems(mocks, &count);
    assert_int_equal(count, 5);
    entries[0].sequence = broken;
    mocks_refused(mocks, WFS_ERR_JSON,
                  "mock scenario x: mocks[0].sequence[1].body is not JSON: ",
                  wfs_mocks_add(mocks, &scenario));
    close_mocks(mocks);
}

/* Slips of the pen: let pass, unless the options say otherwise. */
static void members_that_mean_nothing(void **state)
{
    static const char odd[] =
        "{'default':{'id':'default','name':'d','description':'','mocks':["
        "{'method':'GET','url':'/','respones':1,'match':{'header':{}},"
        "'response':{'status':200,'boddy':2}}]}}";
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_mock_options options = {.json = quoted(arena, odd)};
    wfs_mocks *mocks;
    wfs_error error;

    (void)state;
    assert_int_equal(wfs_mocks_create(&options, &mocks, NULL), WFS_OK);
    wfs_mocks_free(mocks);
    options.known_keys_only = true;
    assert_int_equal(wfs_mocks_create(&options, &mocks, &error),
                     WFS_ERR_VALIDATION);
    assert_null(mocks);
    assert_string_equal(error.message,
                        "default.mocks[0].respones is not known\n"
                        "  default.mocks[0].match.header is not known\n"
                        "  default.mocks[0].response.boddy is not known");
    wfs_arena_free(arena);
}

/* JSON and C together have to give a default scenario. */
static void json_and_c_together(void **state)
{
    static const wfs_mock_scenario scenarios[] = {{.id = "default"}, {0}};
    wfs_mock_options options = {
        .json = "{\"a\":{\"id\":\"a\",\"name\":\"a\",\"description\":\"\","
                "\"mocks\":[]}}",
        .scenarios = scenarios};
    wfs_mock_scenario_info info;
    wfs_mocks *mocks;

    (void)state;
    assert_int_equal(wfs_mocks_create(&options, &mocks, NULL), WFS_OK);
    assert_true(wfs_mocks_scenario(mocks, "a", &info));
    assert_true(wfs_mocks_scenario(mocks, "default", &info));
    wfs_mocks_free(mocks);
    options.scenarios = NULL;
    assert_int_equal(wfs_mocks_create(&options, &mocks, NULL),
                     WFS_ERR_VALIDATION);
}

/* A delay or a status that is none, in a definition nobody checked. */
static void unchecked_numbers(void **state)
{
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.unchecked = true},
        DEFAULT(GET("/early", "'response':{'status':200,'delay':-5000}") ","
                GET("/never", "'response':{'status':200,'delay':-1e300}") ","
                GET("/text", "'response':{'status':'200'}") ","
                GET("/far", "'response':{'status':99999999999}")));
    wfs_mock_client client = {.mocks = mocks};
    wfs_http_transport transport = wfs_mock_transport(&client);
    wfs_http_request request = {.url = "https://x.test/text"};
    wfs_http_response response;

    (void)state;
    expect(mocks, NULL, "GET /early", "HANDLER_ERROR 500 {'error':'Internal "
                                      "mock server error','code':"
                                      "'HANDLER_ERROR'}");
    expect(mocks, NULL, "GET /never", "HANDLER_ERROR 500 {'error':'Internal "
                                      "mock server error','code':"
                                      "'HANDLER_ERROR'}");
    expect(mocks, NULL, "GET /far", "HANDLER_ERROR 500 {'error':'Internal "
                                    "mock server error','code':"
                                    "'HANDLER_ERROR'}");
    memset(&response, 0x5A, sizeof response);
    assert_int_equal(transport.send(&request, mock_arena, &response, NULL,
                                    transport.user), WFS_OK);
    assert_int_equal(response.status, 0);
    assert_int_equal(wfs_clock_now(wfs_mocks_clock(mocks)), 0);
    wfs_arena_clear(mock_arena);
    close_mocks(mocks);
}

static void meddle(const wfs_error *error, void *user)
{
    wfs_mocks **mocks = (wfs_mocks **)user;

    assert_int_equal(error->code, WFS_ERR_NO_MOCK_FOUND);
    assert_contains(error->message, "default[0] GET /cart: method");
    assert_int_equal(wfs_mocks_switch(*mocks, NULL, "no such scenario"),
                     WFS_ERR_SCENARIO_NOT_FOUND);
}

/* What the one who is warned does does not change what the request gives. */
static void a_warning_is_the_last_word(void **state)
{
    static wfs_mocks *mocks;

    (void)state;
    mocks = open_mocks_with((wfs_mock_options){.on_no_mock = WFS_MOCK_WARN,
                                               .warn = meddle, .user = &mocks},
                            DEFAULT(GET("/cart", SAYS("1"))));
    expect(mocks, NULL, "PUT /cart", "NO_MOCK_FOUND");
    expect_log(mocks, NULL, "PUT https://x.test/cart -> NO_MOCK_FOUND\n");
    assert_int_equal(wfs_mocks_error(mocks)->code, WFS_ERR_NO_MOCK_FOUND);
    close_mocks(mocks);
}

/* Options are refused as a whole, and nothing leaks. */
static void options_that_are_refused(void **state)
{
    static const wfs_mock_scenario other[] = {{.id = "other"}, {0}};
    static const wfs_mock_scenario twice[] = {
        {.id = "default"}, {.id = "default", .name = "again"}, {0}};

    (void)state;
    expect_no_mocks((wfs_mock_options){.json = "{"}, WFS_ERR_JSON, "");
    expect_no_mocks((wfs_mock_options){.json = "{}"}, WFS_ERR_VALIDATION,
                    "default");
    expect_no_mocks((wfs_mock_options){.scenarios = other},
                    WFS_ERR_VALIDATION, "default");
    expect_no_mocks((wfs_mock_options){.scenarios = twice},
                    WFS_ERR_DUPLICATE_SCENARIO, "default");
}

/* None are needed; the size of the text counts, not its NUL. */
static void options_that_are_few(void **state)
{
    static const char json[] =
        "{\"default\":{\"id\":\"default\",\"name\":\"n\",\"description\":\"\","
        "\"mocks\":[]}} and then no JSON";
    wfs_mocks *mocks;

    (void)state;
    assert_int_equal(wfs_mocks_create(NULL, &mocks, NULL), WFS_OK);
    wfs_mocks_free(mocks);
    wfs_mocks_free(NULL);
    mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    expect(mocks, NULL, "GET /", "NO_MOCK_FOUND");
    expect_unused(mocks, NULL, "");
    close_mocks(mocks);
    mocks = open_mocks_with(
        (wfs_mock_options){.json = json,
                           .json_size = strlen(json) - 17}, NULL);
    close_mocks(mocks);
}

static void the_same_value_again(void **state)
{
    static const char text[] =
        "{\"id\":\"x\",\"name\":\"x\",\"description\":\"\",\"mocks\":[]}";
    wfs_mocks *mocks = open_mocks(DEFAULT(""));
    wfs_mock_scenario in_c = {.id = "c"}, twin = {.id = "c"};
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_json *value = wfs_json_parse(arena, text, sizeof text - 1, NULL, NULL);
    const wfs_json *copy = wfs_json_copy(arena, value);

    (void)state;
    mocks_ok(mocks, wfs_mocks_register(mocks, value));
    mocks_ok(mocks, wfs_mocks_register(mocks, value));
    mocks_refused(mocks, WFS_ERR_DUPLICATE_SCENARIO, "x",
                  wfs_mocks_register(mocks, copy));
    mocks_refused(mocks, WFS_ERR_DUPLICATE_SCENARIO, "x",
                  wfs_mocks_register_text(mocks, text, 0));
    value = wfs_json_set(arena, value, "name",
                         wfs_json_new_string(arena, "changed"));
    mocks_refused(mocks, WFS_ERR_DUPLICATE_SCENARIO, "x",
                  wfs_mocks_register(mocks, value));
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    mocks_refused(mocks, WFS_ERR_DUPLICATE_SCENARIO, "c",
                  wfs_mocks_add(mocks, &twin));
    assert_int_equal(wfs_count(wfs_mocks_store(mocks), "mock_scenario"), 3);
    wfs_arena_free(arena);
    close_mocks(mocks);
}

/* Unchecked, a broken pattern makes each request of its method fail. */
static void unchecked_definitions(void **state)
{
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.unchecked = true},
        DEFAULT(GET("/a", SAYS("1")) "," GET("/:a:b(", SAYS("2")) ","
                "{'method':'post','url':'/a','response':{'body':3}},"
                "{'method':'PUT','url':'/a'},5,null,{}"));

    (void)state;
    expect(mocks, NULL, "GET /a",
           "HANDLER_ERROR 500 {'error':'Internal mock server error',"
           "'code':'HANDLER_ERROR'}");
    expect(mocks, NULL, "POST /a", "200 3");
    expect(mocks, NULL, "PUT /a", "VALIDATION_ERROR");
    mocks_refused(mocks, WFS_ERR_VALIDATION, "id", register_text(mocks, "{}"));
    close_mocks(mocks);
}

/* --- tests */

static void test_ids_are_worlds(void **state)
{
    wfs_mocks *mocks = open_mocks(
        "{" SCENARIO("default", GET("/", SEQUENCE("last", REPLY("1") ","
                                                          REPLY("2")))) ","
        SCENARIO("other", GET("/", SAYS("'other'"))) "}");

    (void)state;
    expect(mocks, "a", "GET /", "200 1");
    expect(mocks, "b", "GET /", "200 1");
    expect(mocks, NULL, "GET /", "200 1");
    expect(mocks, "default-test", "GET /", "200 2");
    expect(mocks, "A", "GET /", "200 1");
    expect(mocks, "a ", "GET /", "200 1");
    assert_null(wfs_mocks_active(mocks, "a"));
    mocks_ok(mocks, wfs_mocks_switch(mocks, "a", "other"));
    assert_string_equal(wfs_mocks_active(mocks, "a"), "other");
    assert_null(wfs_mocks_active(mocks, "b"));
    assert_null(wfs_mocks_active(mocks, "never seen"));
    expect(mocks, "a", "GET /", "200 'other'");
    expect(mocks, "b", "GET /", "200 2");
    mocks_ok(mocks, wfs_mocks_clear(mocks, "a"));
    mocks_ok(mocks, wfs_mocks_clear(mocks, "never seen"));
    assert_null(wfs_mocks_active(mocks, "a"));
    mocks_refused(mocks, WFS_ERR_SCENARIO_NOT_FOUND, "nowhere",
                  wfs_mocks_switch(mocks, "a", "nowhere"));
    mocks_refused(mocks, WFS_ERR_SCENARIO_NOT_FOUND, "",
                  wfs_mocks_switch(mocks, "a", NULL));
    expect_state(mocks, "never seen", "{}");
    close_mocks(mocks);
}

static void which_fallback_answers(void **state)
{
    static const char definitions[] =
        DEFAULT(GET("/", SAYS("'first'")) ","
                GET("/", SEQUENCE("none", REPLY("'sequence'"))) ","
                GET("/", SAYS("'last'")));
    wfs_mocks *mocks = open_mocks(definitions);

    (void)state;
    expect(mocks, NULL, "GET /", "200 'first'");
    expect(mocks, NULL, "GET /", "200 'first'");
    close_mocks(mocks);
    mocks = open_mocks_with(
        (wfs_mock_options){.fallback = WFS_MOCK_LAST_FALLBACK}, definitions);
    expect(mocks, NULL, "GET /", "200 'sequence'");
    expect(mocks, NULL, "GET /", "200 'last'");
    close_mocks(mocks);
}

/* --- the log */

static const char logged[] =
    "{" SCENARIO("default", GET("/cart", SEQUENCE("none", REPLY("1") ","
                                                          REPLY("2"))) ","
                            POST("/pay", SAYS("'paid'"))) ","
    SCENARIO("declined", POST("/pay", "'response':{'status':402}")) "}";

static wfs_mocks *open_logged(void)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){.clock_start = 50},
                                       logged);
    static const wfs_http_header headers[] = {
        {"X-One", "1"}, {"x-one", "2"}, {0}};

    mocks_ok(mocks, wfs_mocks_switch(mocks, "d", "declined"));
    expect(mocks, "a", "GET /cart?all=1", "200 1");
    expect(mocks, "d", "post /pay {'sum':5}", "402");
    wfs_clock_advance(wfs_mocks_clock(mocks), 25);
    expect(mocks, "a", "GET /cart", "200 2");
    expect(mocks, "a", "GET /cart", "SEQUENCE_EXHAUSTED");
    assert_int_equal(ask_with(mocks, "a", "POST /pay", headers).status, WFS_OK);
    expect(mocks, "d", "GET https://Y.test:443/nothing", "NO_MOCK_FOUND");
    return mocks;
}

static void the_log_as_text(void **state)
{
    wfs_mocks *mocks = open_logged();

    (void)state;
    expect_log(mocks, NULL,
               "GET https://x.test/cart?all=1 -> default[0] #1\n"
               "POST https://x.test/pay -> declined[0]\n"
               "GET https://x.test/cart -> default[0] #2\n"
               "GET https://x.test/cart -> SEQUENCE_EXHAUSTED\n"
               "POST https://x.test/pay -> default[1]\n"
               "GET https://y.test/nothing -> NO_MOCK_FOUND\n");
    expect_log(mocks, FILTER(.test_id = "d"),
               "POST https://x.test/pay -> declined[0]\n"
               "GET https://y.test/nothing -> NO_MOCK_FOUND\n");
    expect_log(mocks, FILTER(.test_id = "nobody"), "");
    expect_log(mocks, FILTER(.method = "POST"),
               "POST https://x.test/pay -> declined[0]\n"
               "POST https://x.test/pay -> default[1]\n");
    expect_log(mocks, FILTER(.url = "/cart"),
               "GET https://x.test/cart?all=1 -> default[0] #1\n"
               "GET https://x.test/cart -> default[0] #2\n"
               "GET https://x.test/cart -> SEQUENCE_EXHAUSTED\n");
    expect_log(mocks, FILTER(.url = "https://y.test/:any"),
               "GET https://y.test/nothing -> NO_MOCK_FOUND\n");
    expect_log(mocks, FILTER(.scenario = "declined"),
               "POST https://x.test/pay -> declined[0]\n");
    expect_log(mocks, FILTER(.unanswered = true),
               "GET https://x.test/cart -> SEQUENCE_EXHAUSTED\n"
               "GET https://y.test/nothing -> NO_MOCK_FOUND\n");
    expect_log(mocks, FILTER(.test_id = "a", .method = "GET", .url = "/cart", .unanswered = true),
               "GET https://x.test/cart -> SEQUENCE_EXHAUSTED\n");
    expect_log(mocks, FILTER(.scenario = "declined", .unanswered = true), "");
    close_mocks(mocks);
}

static void the_log_as_requests(void **state)
{
    wfs_mocks *mocks = open_logged();
    const wfs_mock_request *requests;
    size_t count;

    (void)state;
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    assert_int_equal(count, 6);
    assert_int_equal(requests[0].id, 1);
    assert_string_equal(requests[0].test_id, "a");
    assert_int_equal(requests[0].time, 50);
    assert_string_equal(requests[0].method, "GET");
    assert_string_equal(requests[0].url, "https://x.test/cart?all=1");
    assert_null(requests[0].headers[0].name);
    assert_null(requests[0].body);
    assert_int_equal(requests[0].entry, 0);
    assert_int_equal(requests[0].status, 200);
    assert_null(requests[0].error);
    assert_string_equal(requests[1].method, "POST");
    assert_string_equal(requests[1].body, "{\"sum\":5}");
    assert_int_equal(requests[1].body_size, 9);
    assert_string_equal(requests[1].scenario, "declined");
    assert_int_equal(requests[1].mock, 0);
    assert_int_equal(requests[1].entry, -1);
    assert_int_equal(requests[1].status, 402);
    assert_int_equal(requests[2].time, 75);
    assert_int_equal(requests[2].entry, 1);
    assert_null(requests[3].scenario);
    assert_int_equal(requests[3].mock, -1);
    assert_int_equal(requests[3].entry, -1);
    assert_int_equal(requests[3].status, 0);
    assert_string_equal(requests[3].error, "SEQUENCE_EXHAUSTED");
    assert_contains(requests[3].message, "consumed");
    assert_string_equal(requests[4].headers[0].name, "X-One");
    assert_string_equal(requests[4].headers[0].value, "1");
    assert_string_equal(requests[4].headers[1].name, "x-one");
    assert_string_equal(requests[4].headers[1].value, "2");
    assert_null(requests[4].headers[2].name);
    assert_contains(requests[5].message, "https://y.test/nothing");
    wfs_arena_clear(mock_arena);

    mocks_ok(mocks, wfs_mocks_requests(
        mocks, FILTER(.method = "PUT"), mock_arena, &requests,
        &count));
    assert_int_equal(count, 0);
    assert_int_equal(wfs_mocks_requests(
        mocks, FILTER(.url = "/(("), mock_arena, &requests,
        &count), WFS_ERR_VALIDATION);
    assert_int_equal(count, 0);
    close_mocks(mocks);
}

static void no_log(void **state)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){.no_log = true},
                                       logged);
    const char *text = "something";

    (void)state;
    expect(mocks, NULL, "GET /cart", "200 1");
    expect(mocks, NULL, "GET /cart", "200 2");
    expect(mocks, NULL, "GET /nothing", "NO_MOCK_FOUND");
    assert_int_equal(wfs_mocks_log(mocks, NULL, mock_arena, &text),
                     WFS_ERR_MISUSE);
    assert_null(text);
    text = "something";
    assert_int_equal(wfs_count(wfs_mocks_store(mocks), "mock_request"), 0);
    assert_int_equal(wfs_mocks_unused(mocks, NULL, mock_arena, &text),
                     WFS_ERR_MISUSE);
    assert_null(text);
    assert_contains(wfs_mocks_error(mocks)->message, "log");
    close_mocks(mocks);
}

/* --- what was not used */

static void what_was_not_used(void **state)
{
    wfs_mocks *mocks = open_mocks(
        "{" SCENARIO("default",
                     GET("/cart", SEQUENCE("last", REPLY("1") "," REPLY("2")
                                                   "," REPLY("3"))) ","
                     GET("/user", SAYS("4"))) ","
        SCENARIO("other", POST("/pay", SAYS("5"))) "}");

    (void)state;
    expect_unused(mocks, NULL, "default[0] GET /cart\n"
                               "default[1] GET /user\n"
                               "other[0] POST /pay\n");
    expect(mocks, "a", "GET /cart", "200 1");
    expect_unused(mocks, NULL, "default[0] GET /cart #2 to #3\n"
                               "default[1] GET /user\n"
                               "other[0] POST /pay\n");
    expect(mocks, "a", "GET /cart", "200 2");
    expect(mocks, "b", "GET /user", "200 4");
    expect_unused(mocks, NULL, "default[0] GET /cart #3\n"
                               "other[0] POST /pay\n");
    expect_unused(mocks, "a", "default[0] GET /cart #3\n"
                              "default[1] GET /user\n");
    expect_unused(mocks, "b", "default[0] GET /cart\n");
    mocks_ok(mocks, wfs_mocks_switch(mocks, "b", "other"));
    expect_unused(mocks, "b", "other[0] POST /pay\n");
    expect(mocks, "b", "POST /pay", "200 5");
    expect_unused(mocks, "b", "");
    expect(mocks, "a", "GET /cart", "200 3");
    expect_unused(mocks, NULL, "");
    close_mocks(mocks);
}

/* A test that has asked for nothing has used nothing. */
static void nothing_was_used(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(GET("/user", SAYS("4"))));

    (void)state;
    expect(mocks, "a", "GET /user", "200 4");
    expect_unused(mocks, "idle", "default[0] GET /user\n");
    close_mocks(mocks);
}

/* --- why nothing matched */

#define NONE(what) "No mock matched for " what

static void why_by_criterion(void **state)
{
    static const struct {
        const char *match, *request, *why;
    } cases[] = {
        {"'url':{'endsWith':'?v=2'}", "POST /p?v=1 {}",
         "url: expected endsWith '?v=2', actual 'https://x.test/p?v=1'"},
        {"'body':{'sku':{'contains':'7'}}", "POST /p {'sku':'8'}",
         "body.sku: expected contains '7', actual '8'"},
        {"'body':{'sku':7}", "POST /p {'sku':{'a':1}}",
         "body.sku: expected equals '7', actual '[object Object]'"},
        {"'body':{'sku':'7'}", "POST /p {}",
         "body.sku: expected equals '7', actual ''"},
        {"'body':{'a':'1','b':'2'}", "POST /p {'a':1,'b':3}",
         "body.b: expected equals '2', actual '3'"},
        {"'body':{'sku':'7'}", "POST /p [7]", "body: expected a JSON object"},
        {"'body':{}", "POST /p sku=7", "body: expected a JSON object"},
        {"'headers':{'X-Key':{'startsWith':'k'}}", "POST /p",
         "headers.x-key: expected startsWith 'k', actual nothing"},
        {"'headers':{'x-tier':'gold'}", "POST /p",
         "headers.x-tier: expected equals 'gold', actual 'iron, lead'"},
        {"'query':{'q':'1'}", "POST /p?q=2&q=3",
         "query.q: expected equals '1', actual '3'"},
        {"'query':{'q':{'regex':{'source':'^a+$'}}}", "POST /p",
         "query.q: expected regex '^a+$', actual nothing"},
        {"'state':{'step':{'n':1}}", "POST /p",
         "state.step: expected {'n':1}, actual nothing"},
    };
    static const wfs_http_header headers[] = {
        {"X-Tier", "iron"}, {"x-tier", "lead"}, {0}};
    char definitions[512], expected[512];
    wfs_mocks *mocks;
    asked it;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sprintf(definitions, DEFAULT(POST("/p", "'match':{%s},%s")),
                cases[i].match, SAYS("1"));
        mocks = open_mocks(definitions);
        it = ask_with(mocks, NULL, cases[i].request, headers);
        assert_int_equal(it.status, WFS_ERR_NO_MOCK_FOUND);
        sprintf(expected, NONE("POST %s\n  default[0] POST /p: %s"),
                it.answer.url, cases[i].why);
        same_text_at(expected, unquoted(mock_arena, it.answer.explanation),
                     cases[i].request, __LINE__);
        close_mocks(mocks);
    }
}

/* A criterion that can never hold. */
static void why_unchecked(void **state)
{
    static const char *const criteria[] = {
        "{}", "{'like':1}", "[]", "{'regex':{}}", "{'regex':5}",
        "{'regex':{'source':'('}}", "{'equals':null}", "{'contains':{}}"};
    char definitions[512];
    wfs_mocks *mocks;
    asked it;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof criteria / sizeof criteria[0]; i++) {
        sprintf(definitions, DEFAULT(POST("/p", "'match':{'body':{'a':%s}},%s")),
                criteria[i], SAYS("1"));
        mocks = open_mocks_with((wfs_mock_options){.unchecked = true},
                                definitions);
        it = ask(mocks, NULL, "POST /p {'a':'x'}");
        assert_int_equal(it.status, WFS_ERR_NO_MOCK_FOUND);
        assert_contains(it.answer.explanation, "default[0] POST /p: body.a: ");
        close_mocks(mocks);
    }
}

static void why_by_state(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/login", "'captureState':{'who':'body.who'}," SAYS("1")) ","
        GET("/me", "'match':{'state':{'who':{'id':2}}}," SAYS("2"))));

    (void)state;
    expect(mocks, NULL, "POST /login {'who':{'id':1}}", "200 1");
    expect_why(mocks, NULL, "GET /me", NONE("GET https://x.test/me\n")
               "  default[1] GET /me: state.who: expected {'id':2}, actual "
               "{'id':1}\n"
               "  default[0] POST /login: url: expected '/login', actual "
               "'/me'");
    close_mocks(mocks);
}

static void why_by_url_and_method(void **state)
{
    wfs_mocks *mocks = open_mocks(
        "{" SCENARIO("default", GET("/api/users/:id", SAYS("1")) ","
                                GET("/other", SAYS("2")) ","
                                POST("/api/users/:id/cart", SAYS("3")) ","
                                GET("/far/away", SAYS("4"))) ","
        SCENARIO("busy", GET("/api/users", SEQUENCE("none", REPLY("5")))) "}");

    (void)state;
    expect_why(mocks, NULL, "PUT /api/users/7",
               NONE("PUT https://x.test/api/users/7\n")
               "  default[0] GET /api/users/:id: method: expected 'GET', "
               "actual 'PUT'\n"
               "  default[2] POST /api/users/:id/cart: url: expected "
               "'/api/users/:id/cart', actual '/api/users/7'\n"
               "  default[1] GET /other: url: expected '/other', actual "
               "'/api/users/7'\n"
               "  (and 1 more)");
    mocks_ok(mocks, wfs_mocks_switch(mocks, NULL, "busy"));
    expect(mocks, NULL, "GET /api/users", "200 5");
    expect_why(mocks, NULL, "GET /api/users",
               "Sequence exhausted for GET https://x.test/api/users. All "
               "responses have been consumed and repeat mode is 'none'.\n"
               "  busy[0] GET /api/users: its sequence is exhausted\n"
               "  default[0] GET /api/users/:id: url: expected "
               "'/api/users/:id', actual '/api/users'\n"
               "  default[2] POST /api/users/:id/cart: url: expected "
               "'/api/users/:id/cart', actual '/api/users'\n"
               "  (and 2 more)");
    close_mocks(mocks);
}

/* The error holds the explanation too, and so does the log. */
static void why_is_told_everywhere(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(GET("/a", SAYS("1"))));
    static const char line[] = "default[0] GET /a: method";
    const wfs_mock_request *requests;
    size_t count;

    (void)state;
    expect(mocks, NULL, "PUT /a", "NO_MOCK_FOUND");
    assert_contains(wfs_mocks_error(mocks)->message, line);
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    assert_contains(requests[0].message, line);
    close_mocks(mocks);
}

/* --- error behaviours */

typedef struct warnings {
    int count;
    wfs_error last;
} warnings;

static void count_warning(const wfs_error *error, void *user)
{
    warnings *heard = (warnings *)user;

    heard->count++;
    heard->last = *error;
}

#define THROWN(code, message)                                                 \
    code " 500 {'error':'Internal mock server error','message':'" message     \
    "','code':'" code "'}"

static void error_behaviours(void **state)
{
    static const char definitions[] =
        DEFAULT(GET("/once", SEQUENCE("none", REPLY("1"))) ","
                "{'method':'GET','url':'/mute'}");
    warnings heard = {0};
    wfs_mock_options options = {
        .on_no_mock = WFS_MOCK_WARN, .on_exhausted = WFS_MOCK_WARN,
        .on_missing_test_id = WFS_MOCK_WARN, .warn = count_warning,
        .user = &heard};
    wfs_mocks *mocks = open_mocks_with(options, definitions);
    asked it = ask(mocks, NULL, "GET /nothing");

    (void)state;
    assert_true(it.answer.passed_through);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.last.code, WFS_ERR_NO_MOCK_FOUND);
    assert_contains(heard.last.message, "https://x.test/nothing");
    expect(mocks, NULL, "GET /mute", "VALIDATION_ERROR");
    assert_int_equal(heard.last.code, WFS_ERR_VALIDATION);
    expect(mocks, NULL, "GET /once", "200 1");
    expect(mocks, NULL, "GET /once", "SEQUENCE_EXHAUSTED");
    assert_int_equal(heard.last.code, WFS_ERR_SEQUENCE_EXHAUSTED);
    assert_int_equal(heard.count, 3);
    close_mocks(mocks);

    options.strict = true;
    mocks = open_mocks_with(options, definitions);
    it = ask(mocks, NULL, "GET /nothing");
    assert_string_equal(said(it), "NO_MOCK_FOUND 501");
    assert_false(it.answer.passed_through);
    assert_int_equal(heard.count, 4);
    close_mocks(mocks);

    options.warn = NULL;
    mocks = open_mocks_with(options, definitions);
    expect(mocks, NULL, "GET /nothing", "NO_MOCK_FOUND 501");
    close_mocks(mocks);

    options.on_no_mock = options.on_exhausted = WFS_MOCK_THROW;
    options.on_missing_test_id = WFS_MOCK_THROW;
    mocks = open_mocks_with(options, definitions);
    expect(mocks, NULL, "GET /nothing",
           THROWN("NO_MOCK_FOUND", NONE("GET https://x.test/nothing")));
    expect(mocks, NULL, "GET /once", "200 1");
    it = ask(mocks, NULL, "GET /once");
    assert_int_equal(it.answer.response.status, 500);
    assert_contains(it.answer.response.body, "SEQUENCE_EXHAUSTED");
    expect(mocks, "", "GET /once",
           THROWN("MISSING_TEST_ID", "the request has no test id"));
    assert_int_equal(heard.count, 4);
    close_mocks(mocks);
}

/* Warned of, too, where it is not an error. */
static void a_missing_test_id_is_warned_of(void **state)
{
    warnings heard = {0};
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.on_missing_test_id = WFS_MOCK_WARN,
                           .warn = count_warning, .user = &heard},
        DEFAULT(GET("/a", SAYS("1"))));

    (void)state;
    expect(mocks, "", "GET /a", "200 1");
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.last.code, WFS_ERR_MISSING_TEST_ID);
    close_mocks(mocks);
}

static void urls_that_are_none(void **state)
{
    static const char *const urls[] = {"", "/only/a/path", "ftp://x.test/",
                                       "http://", "http://x y/", "nonsense"};
    wfs_mocks *mocks = open_mocks(DEFAULT(GET("/(.*)", SAYS("1"))));
    wfs_http_request request = {0};
    wfs_mock_answer answer;
    size_t i;

    (void)state;
    assert_int_equal(wfs_mocks_request(mocks, NULL, &request, mock_arena,
                                       &answer), WFS_ERR_VALIDATION);
    for (i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        request.url = urls[i];
        assert_int_equal(wfs_mocks_request(mocks, NULL, &request, mock_arena,
                                           &answer), WFS_ERR_VALIDATION);
        assert_null(answer.url);
        assert_int_equal(answer.response.status, 0);
    }
    request.url = "http://x.test";
    assert_int_equal(wfs_mocks_request(mocks, NULL, &request, mock_arena,
                                       &answer), WFS_OK);
    close_mocks(mocks);
}

/* --- transports */

typedef struct server {
    int count;
    wfs_status status;
    const char *url;
} server;

/* The real server, which is slow. */
static wfs_status serve(const wfs_http_request *request, wfs_arena *arena,
                        wfs_http_response *response, wfs_error *error,
                        void *user)
{
    static const wfs_http_header none[] = {{0}};
    server *real = (server *)user;

    (void)arena;
    real->count++;
    real->url = request->url;
    if (real->status != WFS_OK) {
        error->code = real->status;
        strcpy(error->message, "the wire is cut");
        return real->status;
    }
    response->status = 299;
    response->headers = none;
    response->body = "real";
    response->body_size = 4;
    response->delay = 1000;
    return WFS_OK;
}

/* What a client of the mocks is answered: "200 1", or the error's code. */
static const char *sent(wfs_mock_client *client, const char *text,
                        const wfs_http_header *headers)
{
    wfs_http_transport transport = wfs_mock_transport(client);
    wfs_http_request request = request_of(text);
    wfs_error error = {0};
    asked it;

    memset(&it, 0, sizeof it);
    request.headers = headers;
    it.status = transport.send(&request, mock_arena, &it.answer.response,
                               &error, transport.user);
    assert_int_equal(error.code, it.status);
    if (it.status != WFS_OK) {
        assert_true(error.message[0] != '\0');
        memset(&it.answer, 0, sizeof it.answer);
    }
    return said(it);
}

static void passing_through(void **state)
{
    server real = {0};
    wfs_http_transport wire = {serve, &real};
    wfs_mock_options options = {.pass_through = &wire};
    wfs_mock_client client = {0};

    (void)state;
    client.mocks = open_mocks_with(options, DEFAULT(GET("/a", SAYS("1"))));
    assert_string_equal(sent(&client, "GET /a", NULL), "200 1");
    assert_int_equal(real.count, 0);
    assert_string_equal(sent(&client, "GET /b", NULL), "299 real");
    assert_int_equal(real.count, 1);
    assert_string_equal(real.url, "https://x.test/b");
    real.status = WFS_ERR_HANDLER;
    assert_string_equal(sent(&client, "GET /b", NULL), "HANDLER_ERROR");
    assert_int_equal(wfs_clock_now(wfs_mocks_clock(client.mocks)), 0);
    expect_log(client.mocks, FILTER(.unanswered = true),
               "GET https://x.test/b -> NO_MOCK_FOUND\n"
               "GET https://x.test/b -> NO_MOCK_FOUND\n");
    close_mocks(client.mocks);

    /* Strict, or with an error thrown, nobody is asked. */
    options.strict = true;
    client.mocks = open_mocks_with(options, DEFAULT(GET("/a", SAYS("1"))));
    assert_string_equal(sent(&client, "GET /b", NULL), "501");
    close_mocks(client.mocks);
    options.strict = false;
    options.on_no_mock = WFS_MOCK_THROW;
    client.mocks = open_mocks_with(options, DEFAULT(GET("/a", SAYS("1"))));
    assert_contains(sent(&client, "GET /b", NULL), "500 {");
    close_mocks(client.mocks);
    assert_int_equal(real.count, 2);

    client.mocks = open_mocks(DEFAULT(GET("/a", SAYS("1"))));
    assert_string_equal(sent(&client, "GET /b", NULL), "NO_MOCK_FOUND");
    assert_string_equal(sent(&client, "GET no-url", NULL),
                        "VALIDATION_ERROR");
    close_mocks(client.mocks);
}

static void which_test_asks(void **state)
{
    static const wfs_http_header by_header[] = {{"X-Test-Id", " h "}, {0}};
    static const wfs_http_header by_other[] = {{"x-who", "h"},
                                               {"x-test-id", "no"}, {0}};
    wfs_mock_client bound = {.test_id = "b"}, client = {0};
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.default_test_id = "d"},
        DEFAULT(GET("/", SAYS("1"))));

    (void)state;
    bound.mocks = client.mocks = mocks;
    sent(&client, "GET /", NULL);
    sent(&client, "GET /", by_header);
    sent(&bound, "GET /", NULL);
    sent(&bound, "GET /", by_header);
    expect_log(mocks, FILTER(.test_id = "d"),
               "GET https://x.test/ -> default[0]\n");
    expect_log(mocks, FILTER(.test_id = "h"),
               "GET https://x.test/ -> default[0]\n");
    expect_log(mocks, FILTER(.test_id = "b"),
               "GET https://x.test/ -> default[0]\n"
               "GET https://x.test/ -> default[0]\n");
    close_mocks(mocks);

    mocks = open_mocks_with((wfs_mock_options){.test_id_header = "X-Who"},
                            DEFAULT(GET("/", SAYS("1"))));
    client.mocks = mocks;
    sent(&client, "GET /", by_other);
    sent(&client, "GET /", by_header);
    expect_log(mocks, FILTER(.test_id = "h"),
               "GET https://x.test/ -> default[0]\n");
    expect_log(mocks, FILTER(.test_id = "default-test"),
               "GET https://x.test/ -> default[0]\n");
    close_mocks(mocks);
}

static void delays_move_the_clock(void **state)
{
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.clock_start = 100},
        DEFAULT(GET("/slow", "'response':{'status':200,'delay':250.9}") ","
                GET("/never", "'response':{'status':200,"
                              "'delay':2147483648}")));
    wfs_mock_client client = {.mocks = mocks};
    wfs_mock_client patient = {.mocks = mocks, .keep_clock = true};
    const wfs_clock *clock = wfs_mocks_clock(mocks);
    const wfs_mock_request *requests;
    size_t count;

    (void)state;
    expect(mocks, NULL, "GET /slow", "200");
    assert_int_equal(wfs_clock_now(clock), 100);
    assert_string_equal(sent(&patient, "GET /slow", NULL), "200");
    assert_int_equal(wfs_clock_now(clock), 100);
    assert_string_equal(sent(&client, "GET /slow", NULL), "200");
    assert_int_equal(wfs_clock_now(clock), 350);
    assert_string_equal(sent(&client, "GET /slow", NULL), "200");
    assert_int_equal(wfs_clock_now(clock), 600);
    assert_contains(sent(&client, "GET /never", NULL), "500 ");
    assert_int_equal(wfs_clock_now(clock), 600);
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    assert_int_equal(requests[2].time, 100);
    assert_int_equal(requests[3].time, 350);
    close_mocks(mocks);
}

/* --- control endpoints */

static const wfs_http_header as_json[] = {
    {"x-test-id", "t"}, {"Content-Type", "application/json"}, {0}};

static const char controlled[] =
    "{" SCENARIO("default", GET("/", SAYS("1"))) ","
    SCENARIO("other", POST("/", "'captureState':{'n':'body.n'},"
                                SAYS("2"))) "}";

static void control_through_the_transport(void **state)
{
    wfs_mocks *mocks = open_mocks(controlled);
    wfs_mock_client client = {.mocks = mocks};

    (void)state;
    assert_string_equal(sent(&client, "GET /__scenario__", as_json),
                        "404 {'testId':'t','error':"
                        "'No active scenario for this test ID'}");
    assert_string_equal(
        sent(&client, "POST /__scenario__ {'scenario':'other'}", as_json),
        "200 {'testId':'t','success':true,'scenarioId':'other'}");
    assert_string_equal(wfs_mocks_active(mocks, "t"), "other");
    assert_string_equal(sent(&client, "GET /__Scenario__/", as_json),
                        "200 {'testId':'t','scenarioId':'other',"
                        "'scenarioName':'other name'}");
    assert_string_equal(sent(&client, "POST / {'n':5}", as_json), "200 2");
    assert_string_equal(sent(&client, "GET /__scenarist__/state", as_json),
                        "200 {'testId':'t','state':{'n':5}}");
    assert_string_equal(sent(&client, "GET /__scenarist__/state", NULL),
                        "200 {'testId':'default-test','state':{}}");
    assert_contains(
        sent(&client, "POST /__scenario__ {'scenario':'none'}", as_json),
        "400 {'error':'Scenario 'none' not found");
    assert_contains(sent(&client, "POST /__scenario__ {'scenario':5}",
                         as_json), "400 {'error':'Invalid request body'");
    assert_contains(sent(&client, "POST /__scenario__ {'scenario':'other'}",
                         NULL), "400 {'error':'Invalid request body'");
    assert_string_equal(sent(&client, "POST /__scenario__ {", as_json), "400");
    assert_string_equal(sent(&client, "PUT /__scenario__", as_json), "404");
    expect_log(mocks, NULL, "POST https://x.test/ -> other[0]\n");
    close_mocks(mocks);
}

/* A bound client switches its own test. */
static void control_by_a_bound_client(void **state)
{
    static const wfs_http_header json_only[] = {
        {"content-type", "application/json; charset=utf-8"}, {0}};
    wfs_mocks *mocks = open_mocks(controlled);
    wfs_mock_client client = {.mocks = mocks, .test_id = "mine"};

    (void)state;
    assert_contains(
        sent(&client, "POST /__scenario__ {'scenario':'other'}", json_only),
        "'testId':'mine'");
    assert_string_equal(wfs_mocks_active(mocks, "mine"), "other");
    close_mocks(mocks);
}

static void control_by_hand(void **state)
{
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.set_scenario_path = "/set",
                           .get_scenario_path = "/get",
                           .get_state_path = "/state"}, controlled);
    wfs_http_response response;
    wfs_http_request request;
    bool answered = true;

    (void)state;
    request = request_of("POST /__scenario__ {'scenario':'other'}");
    request.headers = as_json;
    mocks_ok(mocks, wfs_mocks_control(mocks, &request, mock_arena, &answered,
                                      &response));
    assert_false(answered);
    request = request_of("POST /set {'scenario':'other'}");
    request.headers = as_json;
    mocks_ok(mocks, wfs_mocks_control(mocks, &request, mock_arena, &answered,
                                      &response));
    assert_true(answered);
    assert_int_equal(response.status, 200);
    assert_string_equal(wfs_http_header_value(response.headers,
                                              "content-type"),
                        "application/json");
    request = request_of("GET /get");
    mocks_ok(mocks, wfs_mocks_control(mocks, &request, mock_arena, &answered,
                                      &response));
    assert_int_equal(response.status, 404);
    request = request_of("GET /state");
    mocks_ok(mocks, wfs_mocks_control(mocks, &request, mock_arena, &answered,
                                      &response));
    assert_int_equal(response.status, 200);
    request.url = "none";
    mocks_ok(mocks, wfs_mocks_control(mocks, &request, mock_arena, &answered,
                                      &response));
    assert_false(answered);
    close_mocks(mocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mocks_in_c),
        cmocka_unit_test(selected_before_it_was_text),
        cmocka_unit_test(load_is_all_or_nothing),
        cmocka_unit_test(odd_definitions),
        cmocka_unit_test(mocks_in_c_that_are_wrong),
        cmocka_unit_test(json_and_c_together),
        cmocka_unit_test(unchecked_numbers),
        cmocka_unit_test(a_warning_is_the_last_word),
        cmocka_unit_test(entries_without_what_they_need),
        cmocka_unit_test(members_that_mean_nothing),
        cmocka_unit_test(options_that_are_refused),
        cmocka_unit_test(options_that_are_few),
        cmocka_unit_test(the_same_value_again),
        cmocka_unit_test(unchecked_definitions),
        cmocka_unit_test(test_ids_are_worlds),
        cmocka_unit_test(which_fallback_answers),
        cmocka_unit_test(the_log_as_text),
        cmocka_unit_test(the_log_as_requests),
        cmocka_unit_test(no_log),
        cmocka_unit_test(what_was_not_used),
        cmocka_unit_test(nothing_was_used),
        cmocka_unit_test(why_by_criterion),
        cmocka_unit_test(why_unchecked),
        cmocka_unit_test(why_by_state),
        cmocka_unit_test(why_by_url_and_method),
        cmocka_unit_test(why_is_told_everywhere),
        cmocka_unit_test(error_behaviours),
        cmocka_unit_test(a_missing_test_id_is_warned_of),
        cmocka_unit_test(urls_that_are_none),
        cmocka_unit_test(passing_through),
        cmocka_unit_test(which_test_asks),
        cmocka_unit_test(delays_move_the_clock),
        cmocka_unit_test(control_through_the_transport),
        cmocka_unit_test(control_by_a_bound_client),
        cmocka_unit_test(control_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
