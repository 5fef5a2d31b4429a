"""After the load, by the service: files leave their folder, and those of one tenant never leave the operator's."""

import uuid

from server_process import wait_until


# Prevents: a disposition that the REST API accepts and the service forgets; secrets or folders of another ingestion used for it.
def test_objects_leave_their_folder(service, s3_server):
    bucket = s3_server.make_bucket(f"leaves-{uuid.uuid4().hex[:8]}")
    s3 = s3_server.client
    s3.put_object(Bucket=bucket, Key="in/x/good.json", Body=b'{"id": 1}\n')
    s3.put_object(Bucket=bucket, Key="in/bad.json", Body=b'{"id": ')
    disposition = {"done": f"move:s3://{bucket}/done", "failed": "tag"}
    ingestion = service.create({
        "name": "orders", "source_type": "S3", "format_type": "JSON", "retry": {"attempts_max": 1}, "disposition": disposition,
        "source_config": {
            "bucket": bucket, "path": "in", "access_key": s3_server.access_key, "secret_key": s3_server.secret_key,
            "endpoint": s3_server.endpoint, "region": s3_server.region, "path_style": True,
        },
        "destination_config": {"database": "shop", "table": "orders"},
    })  # fmt: skip
    assert service.get(f"/ingestions/{ingestion}")["disposition"] == {"done": f"move:s3://{bucket}/done/", "failed": "tag"}
    service.run(ingestion)

    def keys():
        return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"])

    wait_until(lambda: keys() == ["done/x/good.json", "in/bad.json"], "the loaded object to leave")
    tags = wait_until(lambda: s3.get_object_tagging(Bucket=bucket, Key="in/bad.json")["TagSet"], "the failed object to be tagged")
    assert tags == [{"Key": "sluice", "Value": "failed"}]
    assert service.ids() == [1]
    wait_until(lambda: '"moved":1' in service.said().replace(" ", ""), "the log to say so")
    s3.put_object(Bucket=bucket, Key="in/bad.json", Body=b'{"id": 2}\n')
    service.call("PATCH", f"/api/v1/ingestions/{ingestion}", {"disposition": {"done": "delete"}}, status=200)
    service.run(ingestion)
    wait_until(lambda: keys() == ["done/x/good.json"], "the repaired object to be deleted")
    assert service.ids() == [1, 2]


# Prevents: a tenant that moves or deletes files of this machine beyond the folders that it may use.
def test_local_files_stay_below_the_roots(service):
    service.write("in/a.json", [1, 2])
    (service.landing / "out").symlink_to(service.folder)
    source = {"path": str(service.landing / "in"), "file_pattern": "*.json"}
    for outside in (service.folder / "elsewhere", service.landing / "../elsewhere", service.landing / "out/elsewhere"):
        refused = service.call("POST", "/api/v1/ingestions", service.definition(source_config=source, disposition={"done": f"move:{outside}"}))
        assert refused.status == 403, refused
    for wrong in ("move:done", "tag", "archive", f"move:{service.landing}/in/"):
        service.post("/ingestions", service.definition(source_config=source, disposition={"done": wrong}), status=422)
    ingestion = service.create(service.definition(source_config=source, disposition={"done": f"move:{service.landing}/done"}))
    service.run(ingestion)
    wait_until(lambda: (service.landing / "done/a.json").is_file(), "the loaded file to leave")
    assert not (service.landing / "in/a.json").exists() and service.ids() == [1, 2]
    service.write("in/b.json", [3])
    service.call("PATCH", f"/api/v1/ingestions/{ingestion}", {"disposition": {"done": "delete"}}, status=200)
    service.run(ingestion)
    wait_until(lambda: not (service.landing / "in/b.json").exists(), "the loaded file to be deleted")
    assert service.ids() == [1, 2, 3]
