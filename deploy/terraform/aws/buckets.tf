# What DVC keeps: data, models, bundles (docs/remotes.md); and the balancer's log.
locals {
  buckets = toset(["dvc", "logs"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:one region is enough for what dvc repro makes again; until 2027-05-31
  #checkov:skip=CKV2_AWS_62:nobody waits for objects; until 2027-05-31
  #checkov:skip=CKV_AWS_18:reads of the log's bucket are not logged into itself, and DVC's are by CloudTrail; until 2027-05-31
  #checkov:skip=CKV_AWS_145:DVC's bucket has our key; balancers write only to buckets with Amazon's; until 2027-05-31
  for_each      = local.buckets
  bucket        = "${local.name}-${each.key}-${local.account}"
  force_destroy = !var.protected
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = each.key == "dvc"
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "dvc" ? "aws:kms" : "AES256"
      kms_master_key_id = each.key == "dvc" ? aws_kms_key.this.arn : null
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    id     = "tidy"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
    dynamic "expiration" {
      for_each = each.key == "logs" ? [90] : []
      content {
        days = expiration.value
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid       = "OnlyByTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }], each.key != "logs" ? [] : [{
      Sid       = "BalancerLog"
      Effect    = "Allow"
      Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${aws_s3_bucket.this[each.key].arn}/balancer/AWSLogs/${local.account}/*"
    }])
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}
