"""What there is in the account that the environment names, as JSON. Run by moto's own Python."""

import json
import sys
from typing import Any

import boto3  # type: ignore[import-not-found,unused-ignore]  # only there


def look() -> dict[str, Any]:
    ecs, s3, rds = (boto3.client(name) for name in ("ecs", "s3", "rds"))
    services = ecs.describe_services(cluster="perennial", services=["service", "monitoring"])
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    secrets = boto3.client("secretsmanager")
    return {
        "buckets": buckets,
        "public": [s3.get_public_access_block(Bucket=b)["PublicAccessBlockConfiguration"]
                   for b in buckets],
        "versioning": [s3.get_bucket_versioning(Bucket=b).get("Status") for b in buckets],
        "services": [
            {key: each.get(key) for key in ("serviceName", "desiredCount")}
            for each in services["services"]
        ],
        "images": {
            arn.split("/")[-1]: ecs.describe_task_definition(taskDefinition=arn)
            ["taskDefinition"]["containerDefinitions"][0]["image"]
            for arn in ecs.list_task_definitions()["taskDefinitionArns"]
        },
        "roles": [each["RoleName"] for each in boto3.client("iam").list_roles()["Roles"]],
        "databases": [
            {key: each[key] for key in ("PubliclyAccessible", "StorageEncrypted", "Engine")}
            for each in rds.describe_db_instances()["DBInstances"]
        ],
        "database_url": _value(secrets, "perennial/database-url"),
        "repositories": [
            each["imageTagMutability"]
            for each in boto3.client("ecr").describe_repositories()["repositories"]
        ],
    }  # fmt: skip


def _value(secrets: Any, name: str) -> str | None:
    try:
        return str(secrets.get_secret_value(SecretId=name)["SecretString"])
    except secrets.exceptions.ResourceNotFoundException:
        return None


def gone() -> dict[str, Any]:
    """What must be empty after a destroy."""
    return {
        "buckets": boto3.client("s3").list_buckets()["Buckets"],
        "databases": boto3.client("rds").describe_db_instances()["DBInstances"],
        "balancers": boto3.client("elbv2").describe_load_balancers()["LoadBalancers"],
        "repositories": boto3.client("ecr").describe_repositories()["repositories"],
        "files": boto3.client("efs").describe_file_systems()["FileSystems"],
    }


def certificate() -> str:
    asked = boto3.client("acm").request_certificate(DomainName="perennial.example.com")
    return str(asked["CertificateArn"])


if __name__ == "__main__":
    what = {"look": look, "gone": gone, "certificate": certificate}[sys.argv[1]]
    sys.stdout.write(json.dumps(what(), default=str))
